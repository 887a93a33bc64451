/** An option with a word that makes no sense: the command line is refused as a whole, before anything is done. */
import { HoldfastError } from "../base/errors.ts";

export class WrongOption extends HoldfastError {
  constructor(message: string) {
    super("usage", message);
  }
}
