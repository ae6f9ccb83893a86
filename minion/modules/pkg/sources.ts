/** The lists of package sources: one-line files and deb822 files. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SaltError } from '../../../bus/errors.ts';
import { type Py, PyDict } from '../../../bus/values.ts';

const MAIN = '/etc/apt/sources.list';
const FOLDER = '/etc/apt/sources.list.d';

/** One source as it stands in a file: a line, or a stanza for several suites and addresses. */
export interface Source {
  readonly file: string;
  /** Lines of the file it takes, first and behind the last. */
  readonly from: number;
  readonly to: number;
  readonly stanza: boolean;
  disabled: boolean;
  types: string[];
  uris: string[];
  suites: string[];
  comps: string[];
  architectures: string[];
  signedBy: string;
  trusted: boolean | null;
}

/** Reads a one-line source; undefined for a comment or anything else. */
export function parseLine(text: string, file = MAIN, at = 0): Source | undefined {
  const m = /^(#?)\s*(deb(?:-src)?)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*?)\s*$/.exec(text.trim());
  if (!m || !/^[a-z][\w+.-]*:|^cdrom/.test(m[4] as string)) return undefined;
  const option = (name: string): string | undefined =>
    (m[3] ?? '')
      .split(/\s+/)
      .find((o) => o.startsWith(`${name}=`))
      ?.slice(name.length + 1);
  const trusted = option('trusted');
  return {
    file,
    from: at,
    to: at + 1,
    stanza: false,
    disabled: m[1] === '#',
    types: [m[2] as string],
    uris: [m[4] as string],
    suites: [m[5] as string],
    comps: (m[6] as string).replace(/#.*/, '').split(/\s+/).filter(Boolean),
    architectures: option('arch')?.split(',') ?? [],
    signedBy: option('signed-by') ?? '',
    trusted: trusted === undefined ? null : trusted === 'yes',
  };
}

function parseStanzas(text: string, file: string): Source[] {
  const found: Source[] = [];
  const lines = text.split('\n');
  let fields = new Map<string, string>();
  let from = 0;
  let last = '';
  const end = (to: number): void => {
    const words = (k: string): string[] => (fields.get(k) ?? '').split(/\s+/).filter(Boolean);
    if (fields.has('types') && fields.has('uris'))
      found.push({
        file,
        from,
        to,
        stanza: true,
        disabled: fields.get('enabled')?.toLowerCase() === 'no',
        types: words('types'),
        uris: words('uris'),
        suites: words('suites'),
        comps: words('components'),
        architectures: words('architectures'),
        signedBy: fields.get('signed-by') ?? '',
        trusted: fields.has('trusted') ? fields.get('trusted') === 'yes' : null,
      });
    fields = new Map();
  };
  lines.forEach((line, i) => {
    if (line.startsWith('#')) return;
    if (!line.trim()) {
      end(i);
      from = i + 1;
      return;
    }
    const m = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    if (m) {
      last = (m[1] as string).toLowerCase();
      fields.set(last, m[2] as string);
    } else if (/^\s/.test(line)) fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`.trim());
  });
  end(lines.length);
  return found;
}

/** Every source of the machine, disabled ones too, in the order of their files. */
export function readSources(): Source[] {
  const files = existsSync(FOLDER)
    ? readdirSync(FOLDER)
        .filter((f) => /\.(?:list|sources)$/.test(f))
        .sort()
        .map((f) => join(FOLDER, f))
    : [];
  return [...(existsSync(MAIN) ? [MAIN] : []), ...files].flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.sources')) return parseStanzas(text, file);
    return text.split('\n').flatMap((l, i) => parseLine(l, file, i) ?? []);
  });
}

/** A source of one type, address and suite as a line. */
export function lineOf(
  s: Source,
  type = s.types[0] ?? 'deb',
  uri = s.uris[0] ?? '',
  suite = s.suites[0] ?? '',
): string {
  const options = [
    ...(s.architectures.length ? [`arch=${s.architectures.join(',')}`] : []),
    ...(s.signedBy ? [`signed-by=${s.signedBy}`] : []),
    ...(s.trusted === null ? [] : [`trusted=${s.trusted ? 'yes' : 'no'}`]),
  ];
  return `${s.disabled ? '# ' : ''}${type} ${options.length ? `[${options.join(' ')}] ` : ''}${uri} ${suite}${s.comps.length ? ` ${s.comps.join(' ')}` : ''}`;
}

function describe(s: Source, type: string, uri: string, suite: string): PyDict {
  return new PyDict<Py>([
    ['file', s.file],
    ['comps', [...s.comps]],
    ['disabled', s.disabled],
    ['enabled', !s.disabled],
    ['dist', suite],
    ['suites', [...s.suites]],
    ['type', type],
    ['types', [...s.types]],
    ['uri', uri],
    ['uris', [...s.uris]],
    ['line', lineOf(s, type, uri, suite)],
    ['architectures', [...s.architectures]],
    ['signedby', s.signedBy],
  ]);
}

/** Every source by address, in the form of `pkg.list_repos`. */
export function repoDict(): PyDict {
  const out = new PyDict();
  for (const s of readSources())
    for (const uri of s.uris)
      for (const suite of s.suites)
        for (const type of s.types) {
          if (!out.has(uri)) out.set(uri, []);
          (out.get(uri) as Py[]).push(describe(s, type, uri, suite));
        }
  return out;
}

const bare = (uri: string): string => uri.replace(/\/+$/, '');

/** Reads what an operator gives as a source; throws CommandExecutionError for anything else. */
export function wantedSource(repo: string): Source {
  const s = parseLine(repo);
  if (!s) throw new SaltError('CommandExecutionError', `Error: repo '${repo}' is not a well formatted definition`);
  return s;
}

/** The first source there is of the type, address, suite and one of the components of another. */
export function findRepo(want: Source): PyDict | undefined {
  for (const s of readSources())
    for (const uri of s.uris)
      for (const suite of s.suites)
        for (const type of s.types)
          if (type === want.types[0] && bare(uri) === bare(want.uris[0] ?? '') && suite === want.suites[0])
            if (!want.comps.length || want.comps.some((c) => s.comps.includes(c))) return describe(s, type, uri, suite);
  return undefined;
}

/** Replaces lines of a file; an empty rest removes the file, unless it is the main one. */
function rewrite(file: string, from: number, to: number, lines: readonly string[]): void {
  const all = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  all.splice(from, to - from, ...lines);
  const text = all.join('\n').replace(/\n*$/, '\n');
  if (text.trim() === '' && file !== MAIN) rmSync(file, { force: true });
  else writeFileSync(file, text);
}

/** Removes components of a source, or all of it. Answers the files it was removed from. */
export function removeRepo(want: Source): string[] {
  const hit = readSources().filter(
    (s) =>
      s.types.includes(want.types[0] ?? '') &&
      s.uris.some((u) => bare(u) === bare(want.uris[0] ?? '')) &&
      s.suites.includes(want.suites[0] ?? ''),
  );
  for (const s of hit.reverse()) {
    const left = want.comps.length ? s.comps.filter((c) => !want.comps.includes(c)) : [];
    const suites = s.suites.filter((x) => x !== want.suites[0]);
    if (s.stanza && suites.length) rewrite(s.file, s.from, s.to, stanzaOf({ ...s, suites }));
    else if (left.length)
      rewrite(s.file, s.from, s.to, s.stanza ? stanzaOf({ ...s, comps: left }) : [lineOf({ ...s, comps: left })]);
    else rewrite(s.file, s.from, s.to, []);
  }
  return [...new Set(hit.map((s) => s.file))];
}

function stanzaOf(s: Source): string[] {
  return [
    ...(s.disabled ? ['Enabled: no'] : []),
    `Types: ${s.types.join(' ')}`,
    `URIs: ${s.uris.join(' ')}`,
    `Suites: ${s.suites.join(' ')}`,
    ...(s.comps.length ? [`Components: ${s.comps.join(' ')}`] : []),
    ...(s.architectures.length ? [`Architectures: ${s.architectures.join(' ')}`] : []),
    ...(s.signedBy ? [`Signed-By: ${s.signedBy.replaceAll('\n', '\n ')}`] : []),
    ...(s.trusted === null ? [] : [`Trusted: ${s.trusted ? 'yes' : 'no'}`]),
  ];
}

/** Changes the source of the same type, address and suite, or adds one to a file. */
export function writeRepo(want: Source, file: string): void {
  const same = readSources().find(
    (s) =>
      s.types.includes(want.types[0] ?? '') &&
      s.uris.some((u) => bare(u) === bare(want.uris[0] ?? '')) &&
      s.suites.includes(want.suites[0] ?? ''),
  );
  if (!same) {
    const add = file.endsWith('.sources') ? [...stanzaOf(want), ''] : [lineOf(want)];
    const lines = existsSync(file) ? readFileSync(file, 'utf8').replace(/\n*$/, '').split('\n') : [];
    const empty = lines.length === 1 && lines[0] === '';
    const old = empty ? [] : lines;
    writeFileSync(file, `${[...old, ...(file.endsWith('.sources') && old.length ? [''] : []), ...add].join('\n')}\n`);
    return;
  }
  const merged = { ...same, comps: want.comps, disabled: want.disabled };
  if (want.architectures.length) merged.architectures = want.architectures;
  if (want.signedBy) merged.signedBy = want.signedBy;
  if (want.trusted !== null) merged.trusted = want.trusted;
  rewrite(same.file, same.from, same.to, same.stanza ? stanzaOf(merged) : [lineOf(merged)]);
}
