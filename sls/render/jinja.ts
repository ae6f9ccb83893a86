/** The jinja renderer: a template and its variables to text, with Salt's options and error texts. */
import { posix } from 'node:path';
import { SaltError } from '../../bus/errors.ts';
import { type Log, quietLog } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { parseJson } from '../json.ts';
import { isStr, type Py, PyDict, str, strOf, truth } from '../values.ts';
import type { Renderer } from './contract.ts';
import { type EnvironmentOptions, SaltEnvironment } from './jinja/environment.ts';
import { passed, renderError } from './jinja/errors.ts';
import type { LexerOptions } from './jinja/lexer.ts';
import { type FindTemplate, SaltLoader } from './jinja/loader.ts';

export { type CallSource, SaltLookup } from './jinja/host.ts';

/** How {@link renderJinja} renders. */
export interface JinjaOptions {
  /** Options of the minion or master: `jinja_env`, `jinja_sls_env`, `allow_undefined` and the old trim options are read. */
  opts?: Opts | { get(key: string): Py | undefined };
  /** Finds imported and included templates; absent: none are found. */
  find?: FindTemplate;
  /** The sls this template is (`jinja_sls_env` applies, and error texts tell its own lines from others'); empty for other files. */
  sls?: string;
  /** File that errors name. */
  path?: string;
  log?: Log;
  /** Seconds a render may take; 60 by default, 0 for no limit. */
  timeLimit?: number;
  /** Characters of output a render may make; 64 Mi by default. */
  outputLimit?: number;
  /** MiB by which a render may grow the heap; 1024 by default. */
  memoryLimit?: number;
}

const LEXER_NAMES: ReadonlyMap<string, keyof LexerOptions> = new Map([
  ['block_start_string', 'blockStart'],
  ['block_end_string', 'blockEnd'],
  ['variable_start_string', 'variableStart'],
  ['variable_end_string', 'variableEnd'],
  ['comment_start_string', 'commentStart'],
  ['comment_end_string', 'commentEnd'],
  ['line_statement_prefix', 'lineStatementPrefix'],
  ['line_comment_prefix', 'lineCommentPrefix'],
  ['trim_blocks', 'trimBlocks'],
  ['lstrip_blocks', 'lstripBlocks'],
  ['newline_sequence', 'newlineSequence'],
  ['keep_trailing_newline', 'keepTrailingNewline'],
]);

type Settings = Omit<EnvironmentOptions, 'lexer'> & { lexer: Record<string, unknown> };

/** Environment settings under Jinja's names, merged into an environment's options; unknown ones are logged. */
function applySettings(into: Settings, settings: Py | undefined, log: Log): void {
  if (!(settings instanceof PyDict)) return;
  for (const [k, v] of settings) {
    const name = str(k).toLowerCase();
    const own = LEXER_NAMES.get(name);
    if (!own) log.warning(`Jinja2 environment ${name} is not recognized`);
    else if (own === 'trimBlocks' || own === 'lstripBlocks' || own === 'keepTrailingNewline')
      into.lexer[own] = truth(v);
    else into.lexer[own] = v === null ? null : str(v);
  }
}

/** Takes a `#jinja2: {…}` line off the top of a template (below a renderer line) and answers its settings. */
function ownSettings(source: string, log: Log): { source: string; settings?: Py } {
  const lines = source.match(/[^\n\r]*(?:\r\n|\n|\r)|[^\n\r]+$/g) ?? [];
  const at = lines[0]?.startsWith('#!') && !lines[0].startsWith('#!/') ? 1 : 0;
  const line = lines[at];
  const mark = '#jinja2:';
  if (!line?.startsWith(mark)) return { source };
  const payload = line.slice(mark.length);
  if (!payload.trim()) return { source };
  let settings: Py;
  try {
    settings = parseJson(payload);
  } catch (e) {
    if (!(e instanceof SaltError)) throw e;
    log.warning(`Ignoring malformed '#jinja2:' header in template: ${line.trimEnd()}`);
    return { source };
  }
  if (!(settings instanceof PyDict)) {
    log.warning(`Ignoring '#jinja2:' header that is not a JSON object: ${line.trimEnd()}`);
    return { source };
  }
  return { source: [...lines.slice(0, at), ...lines.slice(at + 1)].join(''), settings };
}

/**
 * Renders a template. `context` holds its variables (grains, pillar, salt, opts … in Python form; `salt` a {@link SaltLookup}).
 * A final line end of the source stays. Throws SaltError SaltRenderError with the reference's text; its details name `file`,
 * `line`, `chain` (places, outermost first) and `kind` (the class of the cause).
 */
export function renderJinja(source: string, context: ReadonlyMap<Py, Py>, options: JinjaOptions = {}): string {
  const log = options.log ?? quietLog;
  const opt = (name: string): Py | undefined => options.opts?.get(name);
  const settings: Settings = {
    lexer: {},
    strict: !truth(opt('allow_undefined') ?? false),
    log,
    ...(options.timeLimit === undefined ? {} : { timeLimit: options.timeLimit }),
    ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }),
    ...(options.outputLimit === undefined ? {} : { outputLimit: options.outputLimit }),
    ...(options.opts ? { opts: options.opts } : {}),
  };
  const sls = options.sls ?? (strOf(context.get('sls') ?? '') as string | undefined) ?? '';
  applySettings(settings, opt(sls ? 'jinja_sls_env' : 'jinja_env'), log);
  if (truth(opt('jinja_trim_blocks') ?? false)) settings.lexer['trimBlocks'] = true;
  if (truth(opt('jinja_lstrip_blocks') ?? false)) settings.lexer['lstripBlocks'] = true;
  const own = ownSettings(source, log);
  applySettings(settings, own.settings, log);
  const text = own.source;
  const newline = source.endsWith('\n') ? '\n' : '';
  const sources = new Map<string, string>();
  const find = options.find;
  const loader = new SaltLoader(((path: string) => {
    const found = find?.(path);
    if (found) sources.set(found.path, found.source);
    return found;
  }) as never);
  const env = new SaltEnvironment(loader as never, settings as never);
  const variables = new Map<string, Py>();
  for (const [k, v] of context) if (isStr(k)) variables.set(str(k), v);
  for (const [k, v] of variables) env.globalNames.set(k, v);
  try {
    return env.renderString(text, variables) + newline;
  } catch (e) {
    const error = passed(e, null);
    if (error.details['crash']) throw error;
    throw renderError(error, text, { path: options.path ?? '<template>', sls, read: (path) => sources.get(path) });
  }
}

/** The variables that name an sls file and its folder (`tplfile`, `tpldir`, `slspath` …), from its path and its sls name. */
export function slsContext(path: string, sls: string): { [name: string]: string } {
  const out: { [name: string]: string } = {};
  let folder = sls.replaceAll('.', '/').replace(/\/+$/, '');
  if (path) {
    const full = path.replaceAll('\\', '/');
    let file: string;
    if (!sls) file = full.slice(full.lastIndexOf('/') + 1);
    else if (full.endsWith(`${folder}.sls`)) file = full.slice(-(folder.length + 4));
    else if (full.endsWith(`${folder}/init.sls`)) file = full.slice(-(folder.length + 9));
    else return { tplpath: path, tplfile: sls, tpldir: posix.dirname(sls) };
    folder = file.includes('/') ? posix.dirname(file) : '';
    Object.assign(out, {
      tplpath: path,
      tplfile: file,
      tpldir: folder || '.',
      tpldot: folder.replaceAll('/', '.'),
    });
  }
  return Object.assign(out, {
    slspath: folder,
    slsdotpath: folder.replaceAll('/', '.'),
    slscolonpath: folder.replaceAll('/', ':'),
    sls_path: folder.replaceAll('/', '_'),
  });
}

/** The `jinja` stage of a renderer line; adds {@link slsContext} where the variables do not hold those names. */
export const jinja: Renderer = (input, ctx) => {
  const source = typeof input === 'string' ? input : str(input);
  const { find } = ctx;
  const context = new PyDict(ctx.context);
  if (context.has('sls'))
    for (const [k, v] of Object.entries(slsContext(ctx.path, ctx.sls))) if (!context.has(k)) context.set(k, v);
  return renderJinja(source, context, {
    opts: ctx.opts,
    sls: ctx.sls,
    path: ctx.path,
    log: ctx.log,
    ...(find ? { find: (path: string) => find(path, ctx.saltenv) } : {}),
  });
};
