/** Where a returner finds its settings: the order in which Salt looks. */
import { type Py, PyDict, toPy, type Wire } from '../../bus/values.ts';
import type { ReturnerCtx } from '../contract.ts';

/** Options in effect by their short name; one that is set nowhere and has no default is absent. */
export type ReturnerOptions = Readonly<Record<string, Py>>;

/** `config.option`: the configuration, grains, the pillar, the master's part of the pillar. */
function option(ctx: ReturnerCtx, key: string): Py | undefined {
  if (ctx.opts.has(key)) return ctx.opts.get(key);
  if (ctx.grains?.has(key)) return ctx.grains.get(key);
  if (ctx.pillar?.has(key)) return ctx.pillar.get(key);
  const master = ctx.pillar?.get('master');
  return master instanceof PyDict ? master.get(key) : undefined;
}

const asDict = (v: Py | undefined): PyDict => (v instanceof PyDict ? v : new PyDict());
const set = (v: Py | undefined): v is Py => v !== undefined && v !== null && v !== '';

/**
 * A returner's options: `ret_kwargs` before the `ret_config` profile (`<profile>.<name>.<key>`) before `<name>.<key>` before the
 * defaults; either of the two may also be a map (`<name>: {<key>: …}`), which then wins over the dotted form.
 * @param keys short name to the key in the configuration.
 */
export function returnerOptions(
  name: string,
  keys: Readonly<Record<string, string>>,
  defaults: Readonly<Record<string, Py>>,
  ctx: ReturnerCtx,
): ReturnerOptions {
  const found: Record<string, Py> = {};
  const plain = asDict(option(ctx, name));
  const profile = ctx.retConfig ? asDict(option(ctx, `${ctx.retConfig}.${name}`)) : undefined;
  for (const [short, key] of Object.entries(keys)) {
    const special = profile?.get(key) ?? (profile ? option(ctx, `${ctx.retConfig}.${name}.${key}`) : undefined);
    const value = set(special) && special !== false ? special : (plain.get(key) ?? option(ctx, `${name}.${key}`));
    const chosen = set(value) ? value : defaults[short];
    if (chosen !== undefined) found[short] = chosen;
  }
  for (const [k, v] of Object.entries(ctx.retKwargs ?? {})) found[k] = toPy(v as Wire);
  return found;
}

/** An option as text; undefined when it is absent, empty, or the word None. */
export function textOption(options: ReturnerOptions, key: string): string | undefined {
  const v = options[key];
  if (!set(v)) return undefined;
  const text = String(v);
  return text.toLowerCase() === 'none' ? undefined : text;
}

/** An option as a whole number; the fallback for anything else. */
export function numberOption(options: ReturnerOptions, key: string, fallback: number): number {
  const v = options[key];
  const n = v === undefined || v === null || v === '' ? Number.NaN : Number(v);
  return Number.isInteger(n) ? n : fallback;
}
