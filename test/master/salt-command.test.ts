import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { consoleSink, Log } from '../../bus/log.ts';
import { Opts } from '../../bus/opts.ts';
import { type PyDict, toPy, type Wire, type WireMap } from '../../bus/values.ts';
import type { JobRequest, MinionReturn, Publication } from '../../master/client.ts';
import { runSalt, type SaltClient } from '../../master/salt-command.ts';
import { CommandLineExit, mergeCommandLine, parseCommandLine } from '../../sls/cli-options.ts';
import { checkMinions } from '../../sls/match/expected.ts';

const UP = ['alpha', 'beta'];
const KNOWN = ['alpha', 'beta', 'gamma'].map((id) => ({
  id,
  grains: id === 'gamma' ? undefined : (toPy({ id, os: 'Debian', ipv4: ['127.0.0.1'] }) as PyDict),
  pillar: id === 'gamma' ? undefined : (toPy({ team: 'harbour' }) as PyDict),
}));

interface Answer {
  ret: Wire;
  retcode: number;
  out?: string;
}
/** What a minion would answer to the few functions used here. */
function answer(fun: string, arg: readonly Wire[]): Answer {
  switch (fun) {
    case 'test.ping':
      return { ret: true, retcode: 0 };
    case 'test.echo':
      return { ret: arg[0] ?? null, retcode: 0 };
    case 'test.false':
      return { ret: false, retcode: 0 };
    case 'test.retcode':
      return { ret: true, retcode: Number(arg[0]) };
    case 'cmd.run':
      return { ret: '', retcode: 4 };
    case 'sys.list_functions':
      return { ret: ['test.ping', 'test.echo'], retcode: 0 };
    case 'sys.doc':
      return { ret: { 'test.ping': 'Says yes.', 'test.echo': 'Says what you say.' }, retcode: 0 };
    default:
      return { ret: `'${fun}' is not available.`, retcode: 254 };
  }
}

class FakeClient implements SaltClient {
  readonly published: JobRequest[] = [];
  readonly fired: { tag: string; data: WireMap }[] = [];
  active = 0;
  mostActive = 0;

  async targets(job: JobRequest): Promise<string[]> {
    return checkMinions(job.tgtType ?? 'glob', toPy(job.tgt), KNOWN).minions;
  }
  async publish(job: JobRequest): Promise<Publication> {
    this.published.push(job);
    const minions = await this.targets(job);
    return { jid: minions.length ? (job.jid ?? '20300101000000000001') : '', minions, missing: [] };
  }
  async *run(job: JobRequest, options: { onPublished?: (p: Publication) => void } = {}): AsyncGenerator<MinionReturn> {
    const made = await this.publish(job);
    options.onPublished?.(made);
    const counted = job.fun === 'test.ping' ? 0 : 1;
    this.active += made.minions.length * counted;
    this.mostActive = Math.max(this.mostActive, this.active);
    for (const id of made.minions) {
      await new Promise((r) => setImmediate(r));
      this.active -= counted;
      const load = { id, jid: made.jid };
      if (!UP.includes(id)) yield { id, ret: null, retcode: 1, success: false, load, lost: 'no response' };
      else if (Array.isArray(job.fun)) {
        const each = job.fun.map((f, i) => [f, answer(f, job.arg?.[i] as Wire[]).ret] as const);
        yield { id, ret: Object.fromEntries(each), retcode: 0, success: true, load };
      } else yield { id, success: true, load, ...answer(job.fun, job.arg ?? []) };
    }
  }
  async cmd(tgt: Wire, fun: string, arg: readonly Wire[] = [], options: Partial<JobRequest> = {}): Promise<WireMap> {
    const out: WireMap = {};
    for await (const r of this.run({ ...options, tgt, fun, arg })) if (!r.lost) out[r.id] = r.ret;
    return out;
  }
  async makeToken(_eauth: string, _user: string, password: string): Promise<WireMap | undefined> {
    return password === 'right' ? { token: 'abc' } : undefined;
  }
  async fire(tag: string, data: WireMap): Promise<void> {
    this.fired.push({ tag, data });
  }
}

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  client: FakeClient;
}
async function salt(argv: readonly string[], ask = async () => ''): Promise<Outcome> {
  const client = new FakeClient();
  let stdout = '';
  let stderr = '';
  const outcome = (code: number): Outcome => ({ code, stdout, stderr, client });
  const complain = (text: string): void => {
    stderr += text;
  };
  try {
    const line = parseCommandLine('salt', argv, { env: { HOME: '/nonexistent' }, cwd: '/' });
    const nodegroups = toPy({ pair: 'L@alpha,beta' });
    const config = new Opts().with({
      timeout: 8,
      gather_job_timeout: 5,
      nodegroups,
      conf_file: '<LAB>/master/conf/master',
    });
    const opts = mergeCommandLine(config.with({ cli_summary: false, state_verbose: true }), line);
    const print = (text: string): void => {
      stdout += text;
    };
    const code = await runSalt({ line, opts, client, print, complain, log: new Log('t', consoleSink(complain)), ask });
    return outcome(code);
  } catch (e) {
    if (!(e instanceof CommandLineExit)) throw e;
    stdout += e.stdout;
    stderr += e.stderr;
    return outcome(e.exitCode);
  }
}

const REPLAYED = [
  'ping one', 'ping two', 'static', 'no match glob', 'no match grain', 'no match list', 'unknown function', 'unknown function on two',
  'minion down', 'one down one up', 'hide timeout', 'verbose', 'show jid', 'summary', 'summary with a down minion', 'summary with a failure',
  'async', 'batch', 'batch percent', 'batch wait', 'batch no match', 'subset', 'out json static', 'out txt', 'out raw', 'out quiet', 'out unknown',
  'out newline values', 'pcre', 'grain', 'compound', 'compound bad', 'nodegroup', 'nodegroup unknown', 'pillar', 'ipcidr bad', 'range',
  'two functions', 'args option', 'no function', 'no arguments', 'unknown option', 'timeout not a number', 'two target kinds', 'version', 'empty target',
  'failhard style exit', 'unicode', 'false return', 'none return', 'preview target',
]; // biome-ignore format: a list

/** Order of minions and of batches is not promised; help texts are cut, and their blank lines dropped, in the recordings. */
function comparable(text: string, help: boolean): string {
  const cut = help ? text.replace(/^(Usage: [^\n]*\n)[\s\S]+$/, '$1<HELP>\n') : text;
  const jid = cut.replace(/\b20\d{18}\b/g, '<JID1>');
  return help ? jid.replace(/\n{2,}/g, '\n').replace(/^\n/, '') : jid.split('\n').sort().join('\n');
}

test('salt prints and exits as recorded from real Salt', async () => {
  const cases = JSON.parse(readFileSync('test/golden/cli/cli.json', 'utf8')) as {
    name: string;
    argv: string[];
    exit_code: number;
    stdout: string;
    stderr: string;
  }[];
  let done = 0;
  for (const c of cases) {
    if (!REPLAYED.includes(c.name.replace(/^salt: /, '')) || c.argv[0] !== 'salt') continue;
    done++;
    const came = await salt(c.argv.slice(1));
    const help = c.stdout.includes('<HELP>') || c.stderr.includes('Usage:');
    assert.equal(comparable(came.stdout, help), comparable(c.stdout, help), c.name);
    assert.equal(comparable(came.stderr, help), comparable(c.stderr, help), c.name);
    assert.equal(came.code, c.exit_code, c.name);
  }
  assert.equal(done, REPLAYED.length);
});

test('a batch never runs on more minions than its size, keeps one job id, and tells the bus how it goes', async () => {
  const { client, code, stdout } = await salt(['-b', '1', '-L', 'alpha,beta,gamma', 'test.echo', 'x']);
  assert.equal(code, 0);
  assert.equal(client.mostActive, 1);
  const [ping, ...partsRun] = client.published;
  assert.equal(ping?.fun, 'test.ping');
  assert.deepEqual(
    partsRun.map((j) => j.tgt),
    [['alpha'], ['beta']],
  );
  assert.equal(new Set(partsRun.map((j) => j.jid)).size, 1);
  assert.match(stdout, /^Minion gamma did not respond\. No job will be sent\.\n/);
  const jid = partsRun[0]?.jid;
  assert.equal(client.fired[0]?.tag, `salt/batch/${jid}/new`);
  assert.equal(client.fired.at(-1)?.tag, `salt/batch/${jid}/complete`);
});

test('a batch stops at the first failure when asked to', async () => {
  const { client, code } = await salt(['-b', '1', '--failhard', '-L', 'alpha,beta', 'test.retcode', '3']);
  assert.equal(code, 3);
  assert.deepEqual(
    client.published.slice(1).map((j) => j.tgt),
    [['alpha']],
  );
  assert.match(String(client.fired.at(-1)?.tag), /\/halted$/);
});

test('a batch size that is none is refused on standard error', async () => {
  const { code, stdout, stderr } = await salt(['-b', 'none', 'alpha', 'test.ping']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /Invalid batch specification 'none': must be an integer or percentage string like '10' or '25%'\./,
  );
});

test('documentation of all minions is printed once, sorted by function', async () => {
  const all = await salt(['-d', '*', 'test']);
  assert.equal(all.stdout, 'test.echo:\nSays what you say.\n\ntest.ping:\nSays yes.\n\n');
  assert.deepEqual(all.client.published[0]?.arg, ['test']);
});

test('a login is asked for, and a refused token ends with exit code 2', async () => {
  const asked: string[] = [];
  const answers = ['ann', 'wrong'];
  const ask = async (prompt = ''): Promise<string> => {
    asked.push(prompt);
    return answers.shift() ?? '';
  };
  const refused = await salt(['-a', 'pam', '-T', 'alpha', 'test.ping'], ask as never);
  assert.deepEqual(asked, ['username: ', 'password: ']);
  assert.deepEqual(
    [refused.code, refused.stderr, refused.client.published.length],
    [2, 'ERROR: Authentication failed\n', 0],
  );
  const plain = await salt(['-a', 'pam', '--username', 'ann', '--password', 'pw', 'alpha', 'test.ping']);
  assert.deepEqual(plain.client.published[0]?.eauth, { eauth: 'pam', username: 'ann', password: 'pw' });
});

test('options of the job travel with it', async () => {
  const { client } = await salt([
    '-G', 'os|Deb*', '--delimiter=|', '--return', 'redis', '--return_kwargs', '{host: h}', '--metadata', '{a: 1}', '--start-event',
    'test.echo', 'k=v', '5',
  ]); // biome-ignore format: a command line
  assert.deepEqual(client.published[0], {
    tgt: 'os|Deb*',
    tgtType: 'grain',
    fun: 'test.echo',
    arg: [5, { __kwarg__: true, k: 'v' }],
    timeout: 8,
    ret: 'redis',
    extra: { delimiter: '|', ret_kwargs: { host: 'h' }, metadata: { a: 1 }, start_event: true },
  });
});
