import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Opts } from '../bus/opts.ts';
import { type Py, PyDict, toPy, type Wire, type WireMap } from '../bus/values.ts';
import { type CommandLine, CommandLineExit, helpText, selectedTarget, usageError } from '../sls/cli-options.ts';
import { type Print, printData } from '../sls/output/print.ts';
import type { JobRequest, LocalClient } from './client.ts';
import { targetOf } from './salt-job.ts';

/** What `salt-cp` needs of the master. */
export interface CopyClient extends Pick<LocalClient, 'run'> {
  targets(job: JobRequest): Promise<string[]>;
}

/** Surroundings of a `salt-cp` command. */
export interface SaltCpParts {
  line: CommandLine;
  opts: Opts;
  client: CopyClient;
  print: Print;
  complain: Print;
}

const NOBODY = 'No minions matched the target. No command was sent, no jid was assigned.\n';
/** Exit code for files that are not there. */
const MISSING = 42;

/** Runs a `salt-cp` command line and answers the exit code. Throws CommandLineExit. */
export async function runSaltCp(parts: SaltCpParts): Promise<number> {
  const { line, opts, print } = parts;
  if (line.args.length <= 1)
    throw usageError('salt-cp', 'Insufficient arguments', helpText('salt-cp', process.stdout.columns));
  const copy = new Copy(parts);
  const answers = line.options.get('chunked') === true ? await copy.inPieces() : await copy.atOnce();
  printData(answers, opts.str('output') || 'nested', opts, print);
  return 0;
}

/** A file to be sent, and where it goes. */
interface Item {
  path: string;
  to: string;
  mode: number;
}

class Copy {
  private readonly job: Pick<JobRequest, 'tgt' | 'tgtType' | 'timeout'>;
  private readonly sources: string[];
  private readonly dest: string;

  constructor(private readonly p: SaltCpParts) {
    const { line, opts } = p;
    const [target = '', ...words] = line.args;
    const tgtType = selectedTarget(line) ?? 'glob';
    const wanted = Number(line.options.get('timeout') ?? 0);
    this.job = { tgt: targetOf(target, tgtType), tgtType, timeout: wanted > 0 ? wanted : opts.num('timeout', 5) };
    this.dest = words.pop() ?? '';
    this.sources = words.map(real);
  }

  /** All files in one job; a path that is neither file nor folder is passed over, as in the reference. */
  async atOnce(): Promise<PyDict> {
    const files: WireMap = {};
    for (const path of this.sources) {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isFile()) files[path] = content(path);
      else if (stat?.isDirectory())
        throw new CommandLineExit(
          1,
          `${path} is a directory, only files are supported in non-chunked mode. Use "--chunked" command line argument.\n`,
          '',
        );
    }
    const answers = new PyDict();
    for (const [id, ret] of await this.call('cp.recv', [files, this.dest])) answers.set(id, ret);
    return answers;
  }

  /** File by file, each in pieces of `salt_cp_chunk_size` bytes; empty folders are made. */
  async inPieces(): Promise<PyDict> {
    const { opts, line, client } = this.p;
    const size = Math.max(1, opts.num('salt_cp_chunk_size', 98_304));
    const gzip = line.options.get('gzip') !== false;
    const { files, empty } = this.listed();
    const minions = await client.targets({ ...this.job, fun: 'cp.recv_chunked' });
    const answers = new PyDict<PyDict>();
    const note = (id: string, to: string, ret: Py): void => {
      const of = answers.get(id) ?? new PyDict();
      // The first failure of a file stays.
      if ((of.get(to) ?? true) === true) of.set(to, ret);
      answers.set(id, of);
    };
    for (const { path, to, mode } of files) {
      const data = readFileSync(path);
      for (let at = 0; at === 0 || at < data.length; at += size) {
        const piece = data.subarray(at, at + size);
        // The line feed, which every decoder of base64 passes over, keeps a minion from reading `text=` as a keyword argument.
        const chunk = `\n${(gzip ? gzipSync(piece) : piece).toString('base64')}`;
        const came = await this.call('cp.recv_chunked', [to, chunk, at > 0, gzip, mode]);
        for (const [id, ret] of came) note(id, to, ret);
        if (came.size) continue;
        const part = at > 0 ? ' File partially transferred.' : '';
        const why = `Publish failed.${part} It may be necessary to decrease salt_cp_chunk_size (current value: ${size})`;
        for (const id of minions) note(id, to, why);
        break;
      }
    }
    for (const to of empty) for (const [id, ret] of await this.call('cp.recv_chunked', [to, null])) note(id, to, ret);
    return answers as PyDict;
  }

  /** Every file below the sources, and the folders without any, with their places at the minion. */
  private listed(): { files: Item[]; empty: string[] } {
    const files: { path: string; source: string; mode: number }[] = [];
    const empty: { path: string; source: string }[] = [];
    const walk = (path: string, source: string): void => {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (!stat) {
        if (lstatSync(path, { throwIfNoEntry: false })) return;
        throw new CommandLineExit(MISSING, '', `${path} does not exist\n`);
      }
      if (!stat.isDirectory()) {
        files.push({ path, source, mode: stat.mode & 0o7777 });
        return;
      }
      const names = readdirSync(path);
      if (!names.length) empty.push({ path, source });
      for (const name of names) walk(join(path, name), source);
    };
    for (const source of this.sources) walk(source, source);
    const intoFolder = empty.length > 0 || files.length > 1 || /[\\/]$/.test(this.dest);
    const place = (path: string, source: string): string => {
      if (path === source) return intoFolder ? join(this.dest, basename(path)) : this.dest;
      return join(this.dest, basename(source), relative(source, path));
    };
    return {
      files: files.map(({ path, source, mode }) => ({ path, to: place(path, source), mode })),
      empty: empty.map(({ path, source }) => place(path, source)).sort(),
    };
  }

  /** Runs a function on the target: the answers that came, by minion. */
  private async call(fun: string, arg: Wire[]): Promise<Map<string, Py>> {
    const came = new Map<string, Py>();
    const onPublished = (p: { minions: readonly string[] }): void => {
      if (!p.minions.length) this.p.print(NOBODY);
    };
    for await (const r of this.p.client.run({ ...this.job, fun, arg }, { onPublished }))
      if (!r.lost) came.set(r.id, toPy(r.ret));
    return came;
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

/** Text as text, so that every minion can take it; anything else as bytes. */
function content(path: string): Wire {
  const bytes = readFileSync(path);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : bytes;
}
