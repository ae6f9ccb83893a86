/** Data to text and back, by the name of a format, as `slsutil.serialize` and `slsutil.deserialize` know them. */
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';
import { dumpJson, parseJson } from '../../../sls/json.ts';
import { renderYamlex } from '../../../sls/render/yamlex.ts';
import { str, truth, typeName } from '../../../sls/values.ts';
import { dumpYaml, loadYaml } from '../../../sls/yaml.ts';

interface Serializer {
  write?(v: Py, options: PyDict): string;
  read?(text: string): Py;
}

const flag = (options: PyDict, key: string, otherwise: boolean): boolean => truth(options.get(key) ?? otherwise);
const whole = (v: Py | undefined): number | undefined => (typeof v === 'number' && Number.isInteger(v) ? v : undefined);

function yaml(v: Py, options: PyDict): string {
  const flow = options.get('default_flow_style') ?? null;
  const indent = whole(options.get('indent'));
  const width = whole(options.get('width'));
  const text = dumpYaml(v, {
    flowStyle: flow === null ? null : truth(flow),
    allowUnicode: flag(options, 'allow_unicode', false),
    sortKeys: flag(options, 'sort_keys', true),
    ...(indent === undefined ? {} : { indent }),
    ...(width === undefined ? {} : { width }),
  });
  return text.replace(/\n\.\.\.\n$|\n$/, '');
}

function json(v: Py, options: PyDict): string {
  const indent = options.get('indent') ?? null;
  return dumpJson(v, {
    indent: typeof indent === 'number' || typeof indent === 'string' ? indent : null,
    sortKeys: flag(options, 'sort_keys', false),
    ensureAscii: flag(options, 'ensure_ascii', true),
  });
}

/** Sections with `name = value`; names in small letters, further lines of a value set in. */
function configparser(v: Py): string {
  if (!(v instanceof PyDict))
    throw new SaltError('TypeError', `configparser can only serialize dictionaries, not <class '${typeName(v)}'>`);
  const sections = [...v].map(([k, x]) => [str(k), x] as const);
  sections.sort(([a], [b]) => Number(b === 'DEFAULT') - Number(a === 'DEFAULT'));
  let out = '';
  for (const [name, body] of sections) {
    out += `[${name}]\n`;
    for (const [k, x] of body instanceof PyDict ? body : [])
      out += `${str(k).toLowerCase()} = ${str(x).replaceAll('\n', '\n\t')}\n`;
    out += '\n';
  }
  return out;
}

function parseConfig(text: string): Py {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let last: string | undefined;
  let at = 0;
  for (const raw of text.split('\n')) {
    at += 1;
    const line = raw.trimEnd();
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const head = /^\[(.+)\]/.exec(line);
    const option = /^(\S.*?)\s*[=:]\s*(.*)$/.exec(line);
    if (/^\s/.test(line) && section && last !== undefined) section.set(last, `${section.get(last)}\n${line.trim()}`);
    else if (head) {
      const name = head[1] as string;
      if (name !== 'DEFAULT' && sections.has(name))
        throw new SaltError(
          'ValueError',
          `While reading from '<???>' [line ${String(at).padStart(2)}]: section '${name}' already exists`,
        );
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
      last = undefined;
    } else if (!section)
      throw new SaltError(
        'ValueError',
        `File contains no section headers.\nfile: '<???>', line: ${at}\n${JSON.stringify(`${raw}\n`)}`,
      );
    else if (option) {
      last = (option[1] as string).toLowerCase();
      section.set(last, option[2] as string);
    } else
      throw new SaltError(
        'ValueError',
        `Source contains parsing errors: '<???>'\n\t[line ${String(at).padStart(2)}]: '${raw}\\n'`,
      );
  }
  const common = [...(sections.get('DEFAULT') ?? [])];
  sections.delete('DEFAULT');
  return new PyDict([...sections].map(([k, m]): [Py, Py] => [k, new PyDict<Py>([...common, ...m])]));
}

const SERIALIZERS: Readonly<Record<string, Serializer>> = {
  json: { write: json, read: parseJson },
  yaml: { write: yaml, read: (text) => loadYaml(text) },
  yamlex: { write: yaml, read: (text) => renderYamlex(text) },
  configparser: { write: configparser, read: parseConfig },
};

function found<K extends keyof Serializer>(name: string, side: K, spelled: string): NonNullable<Serializer[K]> {
  const s = Object.hasOwn(SERIALIZERS, name) ? SERIALIZERS[name] : undefined;
  if (!s) throw new SaltError('CommandExecutionError', `Serializer '${name}' not found.`);
  const f = s[side];
  if (!f) throw new SaltError('CommandExecutionError', `Serializer '${name}' does not implement ${spelled}.`);
  return f;
}

/** Data as text of a format. Throws CommandExecutionError for an unknown format, SaltError `SerializationError` for what it can't hold. */
export function serialize(format: string, v: Py, options: PyDict): string {
  const write = found(format, 'write', 'serialize');
  try {
    return write(v, options);
  } catch (e) {
    throw new SaltError('SerializationError', messageOf(e), {}, { cause: e });
  }
}

/** Data of a text in a format. Throws CommandExecutionError for an unknown format, SaltError `DeserializationError` for a text that is none. */
export function deserialize(format: string, text: string): Py {
  const read = found(format, 'read', 'deserialize');
  try {
    return read(text);
  } catch (e) {
    throw new SaltError('DeserializationError', messageOf(e), {}, { cause: e });
  }
}
