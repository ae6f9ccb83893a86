import type { Py } from '../bus/values.ts';
import { Composer } from './yaml/compose.ts';
import { Constructor } from './yaml/construct.ts';
import { UNNAMED } from './yaml/error.ts';

export { type DumpOptions, dumpYaml } from './yaml/dump.ts';
export { type Mark, YamlError } from './yaml/error.ts';

/** How {@link loadYaml} reads. */
export interface LoadOptions {
  /** The text's name in messages; `<unicode string>` by default, as for the reference's texts that come from no file. */
  readonly file?: string;
  /** `!!omap` reads as a mapping, as it does in SLS files. */
  readonly omapAsMap?: boolean;
}

/**
 * Reads a text of one YAML document as Salt's loader does; null for none. The only YAML reader of the platform: `0644` is 644,
 * dates stay text, `yes` is true, duplicate and unhashable keys are refused, no tag builds an object. Aliases share one value.
 * Throws {@link YamlError}.
 */
export function loadYaml(text: string, options: LoadOptions = {}): Py {
  if (isBlankYaml(text)) return null;
  const file = options.file ?? UNNAMED;
  const composer = new Composer(text, file);
  const root = composer.single();
  return root === undefined ? null : new Constructor(file, options.omapAsMap ?? false).document(root, composer.aliased);
}

/** Whether a text holds nothing but empty lines and comments, so that reading it can be left out. */
export function isBlankYaml(text: string): boolean {
  return /^(?:[ ]*(?:#[\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff]*)?(?:\r?\n|$))*$/.test(text);
}
