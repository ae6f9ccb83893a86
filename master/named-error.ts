import { ERRORS, type ErrorCode, SaltError } from '../bus/errors.ts';

/** An exception of a name that somebody asked for: one of ours where we have it, else a plain one called so. */
export function namedError(name: string, message: string): Error {
  if (Object.hasOwn(ERRORS, name)) return new SaltError(name as ErrorCode, message);
  const error = new Error(message);
  error.name = name;
  // A failure made on purpose has no place in our code to point at.
  error.stack = `${name}: ${message}`;
  return error;
}
