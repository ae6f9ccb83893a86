/** `file.serialize` and `file.decode`: data and encoded bytes written as files. */
import { rmSync } from 'node:fs';
import { messageOf, SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict, toPy, toWire, type Wire } from '../../../bus/values.ts';
import { decodeBus, encodeBus } from '../../../bus/wire/payload.ts';
import { dumpJson, parseJson } from '../../../sls/json.ts';
import { mergeRecurse } from '../../../sls/merge.ts';
import type { Args } from '../../../sls/signature.ts';
import { deepCopy, eq, str, truth } from '../../../sls/values.ts';
import { dumpYaml, loadYaml } from '../../../sls/yaml.ts';
import { isFile, normalMode, pathOf } from '../../modules/file/inspect.ts';
import { checkManaged, EXACT, type ManageRequest, manageFile } from '../../modules/file/manage.ts';
import { scratch } from '../../modules/file/source.ts';
import { readText } from '../../modules/file/text.ts';
import type { StateCtx } from '../contract.ts';
import { checkCommand } from './managed.ts';
import { answer, changesOf, fail, kwargsOf, on, say, warn } from './result.ts';

interface Serializer {
  serialize(data: Py, o: PyDict): string | Uint8Array;
  deserialize?(text: string): Py;
}

const flag = (o: PyDict, key: string, otherwise: boolean): boolean =>
  o.has(key) ? truth(o.get(key) as Py) : otherwise;

function ini(data: Py): string {
  if (!(data instanceof PyDict)) throw new SaltError('TypeError', 'configparser can only serialize dictionaries');
  let out = '';
  for (const [name, section] of data)
    if (section instanceof PyDict) {
      out += `[${str(name)}]\n`;
      for (const [k, v] of section)
        out +=
          v === null ? `${str(k).toLowerCase()}\n` : `${str(k).toLowerCase()} = ${str(v).replaceAll('\n', '\n\t')}\n`;
      out += '\n';
    }
  return out;
}
function fromIni(text: string): Py {
  const out = new PyDict();
  let section: PyDict | undefined;
  for (const line of text.split('\n')) {
    const head = /^\[([^\]]+)\]\s*$/.exec(line);
    const entry = /^([^:=\s#;][^:=]*?)\s*[:=]\s*(.*)$/.exec(line);
    if (head) {
      section = new PyDict();
      out.set(head[1] as string, section);
    } else if (entry && section) section.set((entry[1] as string).toLowerCase(), entry[2] as string);
  }
  return out;
}

const SERIALIZERS: Readonly<Record<string, Serializer>> = {
  yaml: {
    serialize: (data, o) => {
      const flow = o.get('default_flow_style');
      const text = dumpYaml(data, {
        flowStyle: flow === undefined ? false : flow === null ? null : truth(flow),
        allowUnicode: flag(o, 'allow_unicode', false),
        sortKeys: flag(o, 'sort_keys', true),
        ...(o.has('indent') ? { indent: Number(o.get('indent')) } : {}),
        ...(o.has('width') ? { width: Number(o.get('width')) } : {}),
      });
      return text.replace(/\n\.\.\.\n$|\n$/, '');
    },
    deserialize: (text) => loadYaml(text),
  },
  json: {
    serialize: (data, o) => {
      const separators = o.get('separators');
      const indent = o.has('indent') ? o.get('indent') : 2;
      return dumpJson(data, {
        indent: indent === null ? null : typeof indent === 'string' ? indent : Number(indent),
        sortKeys: flag(o, 'sort_keys', true),
        ensureAscii: flag(o, 'ensure_ascii', true),
        separators: Array.isArray(separators) ? [str(separators[0] as Py), str(separators[1] as Py)] : [',', ': '],
      });
    },
    deserialize: parseJson,
  },
  configparser: { serialize: ini, deserialize: fromIni },
  msgpack: {
    serialize: (data) => new Uint8Array(encodeBus(toWire(data))),
    deserialize: (text) => toPy(decodeBus(Buffer.from(text, 'latin1')) as Wire),
  },
};
const SERIALIZER_NAMES: Readonly<Record<string, string>> = { yamlex: 'yaml' };

/** A map given as one, or as a list of maps of one key. */
function optionMap(v: Py): PyDict {
  if (v instanceof PyDict) return v;
  const out = new PyDict<Py>();
  for (const one of Array.isArray(v) ? (v as Py[]) : [])
    if (one instanceof PyDict) for (const [k, x] of one) out.set(k, x);
  return out;
}

/** Stands for a value that was not there. */
const NO_VALUE = '<_null_>';

/** What became of data, key by key: old and new value where they differ. */
export function recursiveDiff(old: PyDict, now: PyDict): PyDict {
  const out = new PyDict();
  for (const [k, v] of now) {
    const was = old.get(k);
    if (was instanceof PyDict && v instanceof PyDict) {
      const inner = recursiveDiff(was, v);
      if (inner.size) out.set(k, inner);
    } else if (was === undefined || !eq(was, v))
      out.set(
        k,
        new PyDict<Py>([
          ['old', was === undefined ? NO_VALUE : was],
          ['new', v],
        ]),
      );
  }
  return out;
}

/** `file.serialize`. */
export function serialize(a: Args, ctx: StateCtx): PyDict {
  const name = pathOf(a['name'] as Py);
  const kwargs = kwargsOf(a);
  const ret = answer(name);
  if (!name) return fail(ret, 'Must provide name to file.serialize');
  if (!on(a, 'create') && !isFile(name))
    return say(ret, true, `File ${name} is not present and is not set for creation`);
  const formatter = kwargs.get('formatter') ?? null;
  if (truth(a['serializer'] ?? null) && truth(formatter))
    return fail(ret, 'Only one of serializer and formatter are allowed');
  const kind = str(
    truth(a['serializer'] ?? null) ? (a['serializer'] as Py) : truth(formatter) ? formatter : 'yaml',
  ).toLowerCase();
  let dataset = a['dataset'] ?? null;
  const key = a['dataset_pillar'] ?? null;
  if (truth(dataset) && truth(key)) return fail(ret, "Only one of 'dataset' and 'dataset_pillar' is permitted");
  if (truth(key)) dataset = ctx.salt.call('pillar.get', [key], { unmask: true });
  if (dataset === null) return fail(ret, "Neither 'dataset' nor 'dataset_pillar' was defined");
  const own = SERIALIZER_NAMES[kind] ?? kind;
  const serializer = Object.hasOwn(SERIALIZERS, own) ? SERIALIZERS[own] : undefined;
  if (!serializer)
    return fail(
      ret,
      `The ${kind} serializer could not be found. It either does not exist or its prerequisites are not installed.`,
    );
  const options = optionMap(a['serializer_opts'] ?? null);
  const encoding = a['encoding'] ?? null;
  if (truth(encoding)) {
    if (own === 'yaml' && !options.has('allow_unicode')) options.set('allow_unicode', true);
    if (own === 'json' && !options.has('ensure_ascii')) options.set('ensure_ascii', false);
  }
  let existing: Py = null;
  let merged: Py = null;
  if (on(a, 'merge_if_exists')) {
    if (isFile(name)) {
      if (!serializer.deserialize) return fail(ret, `merge_if_exists is not supported for the ${kind} serializer`);
      try {
        existing = serializer.deserialize(readText(name));
      } catch (e) {
        if (!(e instanceof SaltError)) throw e;
        return fail(ret, `Failed to deserialize existing data: ${e.message}`);
      }
      if (existing !== null) {
        merged =
          existing instanceof PyDict && dataset instanceof PyDict ? mergeRecurse(deepCopy(existing), dataset) : dataset;
        if (eq(existing, merged)) return say(ret, true, `The file ${name} is in the correct state`);
        dataset = merged;
      }
    }
  } else if (truth(a['deserializer_opts'] ?? null))
    warn(ret, "The 'deserializer_opts' option is ignored unless merge_if_exists is set to True.");
  const made = serializer.serialize(dataset, options);
  const contents: Py = typeof made === 'string' ? `${made}\n` : made;
  const request: ManageRequest = {
    name,
    template: null,
    source: null,
    hash: null,
    hashName: null,
    skipVerify: false,
    verifySsl: true,
    useEtag: false,
    saltenv: ctx.saltenv,
    context: null,
    defaults: null,
    user: a['user'] ?? null,
    group: a['group'] ?? null,
    mode: normalMode(a['mode'] ?? null),
    attrs: null,
    backup: a['backup'] ?? '',
    makedirs: on(a, 'makedirs'),
    showChanges: on(a, 'show_changes'),
    contents,
    dirMode: null,
    follow: true,
    keepMode: false,
    encoding,
    newFileDiff: false,
    ignoring: EXACT,
  };
  const nothing = { sfn: '', sum: undefined, error: '' };
  let out = ret;
  if (ctx.test) {
    const got = checkManaged({ ...request, follow: false }, ctx);
    const changes = 'error' in got ? new PyDict() : got.changes;
    ret.set('changes', changes);
    if (changes.size) {
      say(ret, null, `Dataset will be serialized and stored into ${name}`);
      if (!request.showChanges) changes.set('diff', '<show_changes=False>');
    } else say(ret, true, `The file ${name} is in the correct state`);
  } else {
    if (truth(a['check_cmd'] ?? null)) {
      const folder = truth(a['tmp_dir'] ?? null) ? str(a['tmp_dir'] as Py) : undefined;
      const tmp = scratch('', str(a['tmp_ext'] ?? ''), folder);
      try {
        const tried = manageFile({ ...request, name: tmp }, answer(tmp), nothing, ctx);
        const complaint = changesOf(tried).size ? checkCommand(a['check_cmd'] as Py, tmp, ctx) : undefined;
        if (complaint) {
          for (const [k, v] of complaint) ret.set(k, v);
          return ret;
        }
      } catch (e) {
        return fail(ret, `Unable to check_cmd file: ${messageOf(e)}`);
      } finally {
        rmSync(tmp, { force: true });
      }
    }
    out = manageFile(request, ret, nothing, ctx);
  }
  if (existing instanceof PyDict && merged instanceof PyDict)
    changesOf(out).set('diff', recursiveDiff(existing, merged));
  return out;
}

/** `file.decode`. */
export function decode(a: Args, ctx: StateCtx): PyDict {
  const name = str(a['name'] as Py);
  const ret = answer(name, false);
  const [data, key] = [a['encoded_data'] ?? null, a['contents_pillar'] ?? null];
  const refuse = (text: string): never => {
    throw new SaltError('CommandExecutionError', text);
  };
  if (!truth(data) && !truth(key)) refuse("Specify either the 'encoded_data' or 'contents_pillar' argument.");
  if (truth(data) && truth(key)) refuse("Specify only one 'encoded_data' or 'contents_pillar' argument.");
  const content = truth(data) ? data : ctx.salt.call('pillar.get', [key, false], { unmask: true });
  if (content === false) refuse('Pillar data not found.');
  const sum = a['checksum'] as Py;
  if (isFile(name)) {
    const wanted = ctx.salt.call('hashutil.digest', [ctx.salt.call('hashutil.base64_decodestring', [content]), sum]);
    const now = ctx.salt.call('hashutil.digest_file', [name, sum]);
    if (eq(wanted, now)) return say(ret, true, 'File is in the correct state.');
    ret.set(
      'changes',
      new PyDict<Py>([
        ['old', now],
        ['new', wanted],
      ]),
    );
  }
  if (ctx.test) return say(ret, null, 'File is set to be updated.');
  say(ret, ctx.salt.call('hashutil.base64_decodefile', [content, name]), 'File was updated.');
  if (!changesOf(ret).size)
    ret.set(
      'changes',
      new PyDict<Py>([
        ['old', null],
        ['new', ctx.salt.call('hashutil.digest_file', [name, sum])],
      ]),
    );
  return ret;
}
