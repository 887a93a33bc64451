/** Dates as text without a clock: metadata holds seconds since 1970, and telling them is arithmetic. */

const DAY = 86_400;

/** Year, month (1-12) and day of the day `days` after 1 January 1970, in the Gregorian calendar. */
function civilDay(days: number): [number, number, number] {
  // Counted from 1 March of year 0, leap days come last in a year, and 400 years have 146097 days.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const inEra = shifted - era * 146_097;
  const leapDays =
    Math.floor(inEra / 1_460) - Math.floor(inEra / 36_524) + Math.floor(inEra / 146_096);
  const year = Math.floor((inEra - leapDays) / 365);
  const inYear = inEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * inYear + 2) / 153);
  const day = inYear - Math.floor((153 * month + 2) / 5) + 1;
  const civilMonth = month < 10 ? month + 3 : month - 9;
  return [year + era * 400 + (civilMonth <= 2 ? 1 : 0), civilMonth, day];
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** "2026-11-21T02:28:45Z". @param seconds whole seconds since 1970, not before */
export function utcText(seconds: number): string {
  const [year, month, day] = civilDay(Math.floor(seconds / DAY));
  const inDay = seconds % DAY;
  const time = [Math.floor(inDay / 3600), Math.floor(inDay / 60) % 60, inDay % 60];
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${time.map(two).join(":")}Z`;
}

const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
/** 1 January 1970. */
const FIRST_WEEKDAY = 4;

/** As ctime(3) has it, without the newline, in UTC: "Sat Nov 21 02:28:45 2026". @param seconds as for utcText */
export function ctimeText(seconds: number): string {
  const days = Math.floor(seconds / DAY);
  const [year, month, day] = civilDay(days);
  const time = utcText(seconds).slice(-9, -1);
  const weekday = WEEKDAYS[(days + FIRST_WEEKDAY) % 7];
  return `${weekday} ${MONTHS[month - 1]} ${String(day).padStart(2)} ${time} ${year}`;
}
