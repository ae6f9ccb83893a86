/** The version of the reference whose wire, files and answers this release follows; reported as `saltversion`. */
export const SALT_VERSION = '3008.5';
/** The reference's code name of {@link SALT_VERSION}. */
export const SALT_CODENAME = 'Argon';
