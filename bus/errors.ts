/**
 * The one table of errors: code (the name real Salt gives the exception where it has one), whether trying again can help, the
 * exit code of a command line that ends with it, and its text. `{name}` parts are filled from the error's details.
 */
export const ERRORS = {
  SaltException: { retryable: false, exit: 1, text: '{message}' },
  SaltInvocationError: { retryable: false, exit: 64, text: '{message}' },
  CommandExecutionError: { retryable: false, exit: 1, text: '{message}' },
  CommandNotFoundError: { retryable: false, exit: 127, text: '{message}' },
  SaltRenderError: { retryable: false, exit: 1, text: '{message}' },
  SaltConfigurationError: { retryable: false, exit: 1, text: '{message}' },
  SaltClientError: { retryable: true, exit: 2, text: '{message}' },
  SaltReqTimeoutError: { retryable: true, exit: 2, text: '{message}' },
  SaltDaemonNotRunning: { retryable: true, exit: 2, text: '{message}' },
  SaltDeserializationError: { retryable: false, exit: 1, text: '{message}' },
  SerializationError: { retryable: false, exit: 1, text: '{message}' },
  DeserializationError: { retryable: false, exit: 1, text: '{message}' },
  ArgumentValueError: { retryable: false, exit: 1, text: '{message}' },
  FileNotFoundError: { retryable: false, exit: 1, text: '{message}' },
  SaltMasterUnresolvableError: { retryable: true, exit: 1, text: '{message}' },
  AuthenticationError: { retryable: false, exit: 1, text: '{message}' },
  AuthorizationError: { retryable: false, exit: 1, text: '{message}' },
  InvalidKeyError: { retryable: false, exit: 1, text: '{message}' },
  UnsupportedAlgorithm: { retryable: false, exit: 1, text: '{message}' },
  MasterKeyMismatch: { retryable: false, exit: 42, text: '{message}' },
  LoaderError: { retryable: false, exit: 1, text: '{message}' },
  MinionError: { retryable: false, exit: 1, text: '{message}' },
  FileLockError: { retryable: true, exit: 1, text: '{message}' },
  TimedProcTimeoutError: { retryable: false, exit: 1, text: '{message}' },
  TypeError: { retryable: false, exit: 1, text: '{message}' },
  ValueError: { retryable: false, exit: 1, text: '{message}' },
  KeyError: { retryable: false, exit: 1, text: '{message}' },
  LookupError: { retryable: false, exit: 1, text: '{message}' },
  IndexError: { retryable: false, exit: 1, text: '{message}' },
  AttributeError: { retryable: false, exit: 1, text: '{message}' },
  ZeroDivisionError: { retryable: false, exit: 1, text: '{message}' },
  OverflowError: { retryable: false, exit: 1, text: '{message}' },
  RecursionError: { retryable: false, exit: 1, text: '{message}' },
  StopIteration: { retryable: false, exit: 1, text: '{message}' },
  RuntimeError: { retryable: false, exit: 1, text: '{message}' },
  UnicodeError: { retryable: false, exit: 1, text: '{message}' },
  MemoryError: { retryable: false, exit: 1, text: '{message}' },
  UndefinedError: { retryable: false, exit: 1, text: '{message}' },
  TemplateSyntaxError: { retryable: false, exit: 1, text: '{message}' },
  TemplateRuntimeError: { retryable: false, exit: 1, text: '{message}' },
  SecurityError: { retryable: false, exit: 1, text: '{message}' },
  TemplateNotFound: { retryable: false, exit: 1, text: '{message}' },
  TemplateError: { retryable: false, exit: 1, text: '{message}' },
  FilterArgumentError: { retryable: false, exit: 1, text: '{message}' },
  YAMLError: { retryable: false, exit: 1, text: '{message}' },
  error: { retryable: false, exit: 1, text: '{message}' },
  FrameRefused: { retryable: false, exit: 1, text: '{message}' },
  StoreFailed: { retryable: true, exit: 1, text: '{message}' },
  StoreFull: { retryable: true, exit: 1, text: '{message}' },
  QueueClosed: { retryable: true, exit: 1, text: '{message}' },
  ReaderTooSlow: { retryable: true, exit: 1, text: '{message}' },
  PortInUse: { retryable: true, exit: 1, text: '{message}' },
} as const satisfies Record<string, { retryable: boolean; exit: number; text: string }>;

/** A code of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/**
 * An expected failure. `name` is the code, so a printed error reads like the reference's exception. A bug is a plain Error: it is
 * reported with its stack and never caught by code.
 */
export class SaltError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly exitCode: number;
  /** Further facts for programs (file, line, errno …). */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, options?: { cause?: unknown }) {
    super(
      ERRORS[code].text.replace('{message}', () => message),
      options,
    );
    this.code = code;
    this.name = code;
    this.retryable = ERRORS[code].retryable;
    this.exitCode = typeof details['exit'] === 'number' ? details['exit'] : ERRORS[code].exit;
    this.details = details;
  }
}

/** The message of anything thrown, without its class name. */
export function messageOf(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}
