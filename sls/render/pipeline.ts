/** Runs a template through the renderers that its first line, or the configuration, names. */
import { SaltError } from '../../bus/errors.ts';
import type { Log } from '../../bus/log.ts';
import type { Opts } from '../../bus/opts.ts';
import { type Py, PyDict } from '../../bus/values.ts';
import type { RenderCtx, Renderer } from './contract.ts';
import { renderJson } from './json.ts';
import { renderYaml } from './yaml.ts';

/** Renderers by the name that a `#!` line uses; undefined where there is none of that name. */
export type Renderers = (name: string) => Renderer | undefined;

/** One stage: its name, what runs it, and its arguments (`#!jinja -s`). */
export interface Stage {
  readonly name: string;
  readonly render: Renderer;
  readonly argline: string;
}

/** Names of old that stand for two stages. */
const TWO_STAGES: Readonly<Record<string, string>> = {
  yaml_jinja: 'jinja|yaml',
  yaml_mako: 'mako|yaml',
  yaml_wempy: 'wempy|yaml',
  json_jinja: 'jinja|json',
  json_mako: 'mako|json',
  json_wempy: 'wempy|json',
};
const DEFAULT_PIPE = 'jinja|yaml';

function needsBridge(_input: Py, ctx: RenderCtx): Py {
  throw new SaltError('SaltRenderError', `${ctx.path} is written in Python: rendering it needs the Python bridge`, {
    file: ctx.path,
  });
}

/**
 * The renderers there are: yaml and json of this folder, and what the caller adds, jinja above all. `py` without a bridge of the
 * caller's refuses its files by name.
 */
export function renderersWith(more: Readonly<Record<string, Renderer>>): Renderers {
  const all = new Map<string, Renderer>([
    ['yaml', renderYaml],
    ['json', (input) => renderJson(input)],
    ['py', needsBridge],
    ...Object.entries(more),
  ]);
  return (name) => all.get(name);
}

/** Which renderers the configuration allows. */
export interface PipeRules {
  /** The pipe of files without a `#!` line; null for none. */
  readonly usual: string | null;
  readonly blacklist: readonly Py[];
  readonly whitelist: readonly Py[];
}

/** The rules of a configuration: `renderer`, `renderer_blacklist`, `renderer_whitelist`. */
export function pipeRules(opts: Opts): PipeRules {
  return {
    usual: opts.str('renderer', DEFAULT_PIPE),
    blacklist: opts.list('renderer_blacklist'),
    whitelist: opts.list('renderer_whitelist'),
  };
}

/** The pipe a first line asks for: `#!jinja|yaml -opts`, but not a path (`#!/bin/sh`); undefined without one. */
export function shebang(source: string): string | undefined {
  const line = source.split('\n', 1)[0] as string;
  return line.startsWith('#!') && !line.startsWith('#!/') ? line.trim().slice(2) : undefined;
}

/**
 * The stages of a pipe. A disallowed renderer is left out with a warning; a pipe that names an unknown one is logged as an error
 * and has no stages at all.
 */
export function stagesOf(pipe: string | null, renderers: Renderers, rules: PipeRules, log: Log): Stage[] {
  if (pipe === null) return [];
  const spelled = Object.hasOwn(TWO_STAGES, pipe.trim()) ? (TWO_STAGES[pipe.trim()] as string) : pipe;
  const stages: Stage[] = [];
  for (const part of spelled.split('|').map((p) => p.trim())) {
    const [, name = '', argline = ''] = /^(\S*)\s*(.*)$/s.exec(part) ?? [];
    const { whitelist, blacklist } = rules;
    if ((whitelist.length && !whitelist.includes(name)) || blacklist.includes(name)) {
      log.warning(`The renderer "${name}" is disallowed by configuration and will be skipped.`);
      continue;
    }
    const render = renderers(name);
    if (!render) {
      log.error(`The renderer "${pipe}" is not available`);
      return [];
    }
    stages.push({ name, render, argline: argline.trim() });
  }
  return stages;
}

/**
 * Renders a template's source through its pipe and answers the last stage's result: data, or text where no stage makes data. A
 * source that is empty, blank or without stages answers an empty dict. Line ends of any kind are read as one. A stage's error
 * passes through, with `file` in its details where it has none.
 */
export function compileTemplate(
  source: string,
  ctx: Omit<RenderCtx, 'argline'>,
  renderers: Renderers,
  rules = pipeRules(ctx.opts),
): Py {
  if (source === '') {
    ctx.log.debug(`Template is an empty file: ${ctx.path}`);
    return new PyDict();
  }
  if (!source.trim()) {
    ctx.log.error(`Template is nothing but whitespace: ${ctx.path}`);
    return new PyDict();
  }
  let data: Py = source.includes('\r') ? source.replace(/\r\n?/g, '\n') : source;
  const stages = stagesOf(shebang(data) ?? rules.usual, renderers, rules, ctx.log);
  if (!stages.length) return new PyDict();
  for (const stage of stages) {
    try {
      data = stage.render(data, { ...ctx, argline: stage.argline });
    } catch (e) {
      throw e instanceof SaltError && e.details['file'] === undefined ? located(e, ctx.path, stage.name) : e;
    }
  }
  return data;
}

/** The same error, knowing the file and the stage it came from. */
function located(e: SaltError, file: string, stage: string): SaltError {
  return Object.defineProperty(e, 'details', { value: { ...e.details, file, stage }, enumerable: true });
}
