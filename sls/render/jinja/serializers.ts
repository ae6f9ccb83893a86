/** Salt's serializer filters: data to YAML, JSON, XML or Python text, and back. */
import { SaltError } from '../../../bus/errors.ts';
import { dumpJson, parseJson } from '../../json.ts';
import { pformat } from '../../pprint.ts';
import { trim } from '../../text-layout.ts';
import {
  isFloat,
  isInt,
  isStr,
  iterate,
  Markup,
  numberOf,
  type Py,
  PyDict,
  str,
  strOf,
  truth,
  typeName,
} from '../../values.ts';
import { dumpYaml, loadYaml, YamlError } from '../../yaml.ts';
import type { FilterRow } from './engine.ts';
import { escapeText } from './escape.ts';
import { typeError } from './ops.ts';
import { TemplateModule } from './runtime.ts';

const source = (v: Py): Py => (v instanceof TemplateModule ? v.body : v);
function runtime(message: string): never {
  throw new SaltError('TemplateRuntimeError', message);
}

/** A value as YAML text the way the `yaml` filter writes it. */
export function yamlText(v: Py, flow: boolean): string {
  const text = trim(dumpYaml(v, { flowStyle: flow }));
  return text.endsWith('\n...') ? text.slice(0, -4) : text;
}
function loadYamlValue([value]: Py[]): Py {
  const v = source(value as Py);
  const t = typeof v === 'string' ? v : v instanceof Uint8Array ? Buffer.from(v).toString('utf8') : undefined;
  // Markup is no text to the reference's loader, and NULL to its dumper.
  if (t === undefined) return typeError('a string or stream input is required');
  try {
    return loadYaml(t);
  } catch (e) {
    if (e instanceof YamlError) return runtime(`Encountered error loading yaml: ${e.message}`);
    throw e;
  }
}
function loadJsonValue([value]: Py[]): Py {
  const v = source(value as Py);
  const t = strOf(v) ?? (v instanceof Uint8Array ? Buffer.from(v).toString('utf8') : undefined);
  if (t === undefined) return runtime(`Unable to load json from ${str(v)}`);
  try {
    return parseJson(t);
  } catch (e) {
    if (e instanceof SaltError) return runtime(`Unable to load json from ${t}`);
    throw e;
  }
}

/** An XML element in the making. */
interface Element {
  tag: string;
  text: string | null;
  attributes: [string, string][];
  children: Element[];
}
function xmlItems(v: Py): Py[] {
  if (Array.isArray(v)) {
    if (!v.length) throw new SaltError('IndexError', `${typeName(v)} index out of range`);
    return isStr(v[0] as Py) ? (v as Py[]) : [];
  }
  if (v instanceof PyDict) return [...v];
  return runtime('Value is not a dict or list. Cannot render as XML');
}
function two(v: Py): [Py, Py] {
  const t = [...iterate(v)];
  if (t.length > 2) throw new SaltError('ValueError', 'too many values to unpack (expected 2)');
  if (t.length < 2) throw new SaltError('ValueError', `not enough values to unpack (expected 2, got ${t.length})`);
  return t as [Py, Py];
}
function xmlTree(items: Py[], parent: Element | null): Element | null {
  let made: Element | null = null;
  for (const item of items) {
    const [tag, attrs] = two(item);
    let el: Element | null = null;
    if (Array.isArray(attrs)) for (const a of attrs) xmlTree([[tag, a as Py]], parent);
    else {
      el = { tag: str(tag), text: null, attributes: [], children: [] };
      if (parent) parent.children.push(el);
    }
    if (el) made = el;
    if (isStr(attrs) || isInt(attrs, true) || isFloat(attrs)) {
      if (!el) throw new SaltError('AttributeError', "'NoneType' object has no attribute 'text'");
      el.text = str(attrs);
      continue;
    }
    if (attrs instanceof PyDict && el)
      el.attributes = [...attrs]
        .filter(([, x]) => !(x instanceof PyDict || Array.isArray(x)))
        .map(([k, x]) => [str(k), str(x)]);
    for (const sub of xmlItems(attrs)) {
      const [k, x] = two(sub);
      if (x instanceof PyDict || Array.isArray(x)) xmlTree([[k, x]], el ?? made);
    }
  }
  return made;
}
function xmlLines(e: Element, depth: number): string {
  const pad = ' '.repeat(depth);
  const attributes = e.attributes
    .map(([k, v]) => ` ${k}="${escapeText(v).replaceAll('&#39;', "'").replaceAll('&#34;', '&quot;')}"`)
    .join('');
  if (!e.children.length && e.text === null) return `${pad}<${e.tag}${attributes}/>\n`;
  const text = e.text === null ? '' : escapeText(e.text).replaceAll('&#39;', "'").replaceAll('&#34;', '&quot;');
  if (!e.children.length) return `${pad}<${e.tag}${attributes}>${text}</${e.tag}>\n`;
  return `${pad}<${e.tag}${attributes}>\n${text}${e.children.map((c) => xmlLines(c, depth + 1)).join('')}${pad}</${e.tag}>\n`;
}
function formatXml([v]: Py[]): Py {
  const root = xmlTree(xmlItems(v as Py), null);
  if (!root) throw new SaltError('AttributeError', "'NoneType' object has no attribute 'iter'");
  return new Markup(`<?xml version="1.0" ?>\n${xmlLines(root, 0)}`);
}

/** The filters of this file; all of them refuse strict undefineds hidden in their value. */
export const SERIALIZER_FILTERS: readonly FilterRow[] = [
  ['yaml', 'format_yaml(value, flow_style=True)', ([v, flow]) => new Markup(yamlText(v as Py, truth(flow as Py)))],
  [
    'json',
    'format_json(value, sort_keys=True, indent=None)',
    ([v, sort, indent]) =>
      new Markup(
        trim(
          dumpJson(v as Py, {
            sortKeys: truth(sort as Py),
            ensureAscii: false,
            indent: indent === null ? null : (strOf(indent as Py) ?? numberOf(indent as Py) ?? null),
          }),
        ),
      ),
  ],
  ['xml', 'format_xml(value)', formatXml],
  ['python', 'format_python(value)', ([v]) => new Markup(trim(pformat(v as Py)))],
  ['load_yaml', 'load_yaml(value)', loadYamlValue],
  ['load_json', 'load_json(value)', loadJsonValue],
  ['load_text', 'load_text(value)', ([v]) => source(v as Py)],
  [
    'dict_to_sls_yaml_params',
    'dict_to_sls_yaml_params(value, flow_style=False)',
    ([v, flow]) => {
      if (!(v instanceof PyDict))
        throw new SaltError('AttributeError', `'${typeName(v as Py)}' object has no attribute 'items'`);
      const rows = [...v].map(([k, x]) => new PyDict<Py>([[k, x]]));
      return new Markup(yamlText(rows, truth(flow as Py)));
    },
  ],
];
