/** The major number of mapped devices, as the kernel gives it where nothing else has it. */
export const DM_MAJOR = 254;
