/**
 * A mail for each return. Options `smtp.from`, `smtp.to` (several by comma), `smtp.host` (localhost), `smtp.port` (25), `smtp.tls` (STARTTLS), `smtp.username`,
 * `smtp.password`, `smtp.subject` (Email from Salt), `smtp.fields` (fields of the return added to the subject), `smtp.template` (a file). In subject and template
 * `{{ name }}` stands for a field of the return; other template language is not read.
 */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { messageOf, SaltError } from '../bus/errors.ts';
import type { Wire, WireMap } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { keptReturn } from './shape/job.ts';
import { toJson } from './shape/json.ts';
import { numberOption, type ReturnerOptions, returnerOptions, textOption } from './shape/options.ts';

const NAMES = 'from to host port tls username password subject fields template'.split(' ');
const DEFAULTS = { host: 'localhost', port: 25, subject: 'Email from Salt' };
const PATIENCE = 30_000;

/** One conversation: each command waits for its answer of the wanted class. */
class Talk {
  private text = '';
  private waiting: { ok: (answer: string) => void; fail: (e: Error) => void } | undefined;
  private broken: Error | undefined;

  constructor(private socket: Socket) {
    this.listen();
  }
  private listen(): void {
    this.socket.setTimeout(PATIENCE, () => this.socket.destroy(new Error('no answer in time')));
    this.socket.on('data', (d) => {
      this.text += d.toString();
      this.look();
    });
    this.socket.on('error', (e) => this.end(e));
    this.socket.on('close', () => this.end(new Error('the server hung up')));
  }
  private end(e: Error): void {
    this.broken ??= e;
    this.waiting?.fail(this.broken);
    this.waiting = undefined;
  }
  private look(): void {
    const whole = /^(?:\d{3}-.*\r?\n)*\d{3}(?: .*)?\r?\n/.exec(this.text);
    if (!whole || !this.waiting) return;
    this.text = this.text.slice(whole[0].length);
    const { ok } = this.waiting;
    this.waiting = undefined;
    ok(whole[0].trim());
  }
  /** Sends a line (none: only listens) and answers what came; throws for an answer of another class. `shown` is named in errors. */
  async ask(line: string | undefined, wanted: string, shown = line ?? 'greeting'): Promise<string> {
    const answer = await new Promise<string>((ok, fail) => {
      if (this.broken) return fail(this.broken);
      this.waiting = { ok, fail };
      if (line !== undefined) this.socket.write(`${line}\r\n`);
      this.look();
    });
    if (!answer.startsWith(wanted)) {
      const refused = answer.startsWith('5') && /^(MAIL|RCPT|DATA|message)/.test(shown);
      throw new SaltError(
        refused ? 'CommandExecutionError' : 'SaltClientError',
        `smtp: ${shown} was answered ${answer}`,
      );
    }
    return answer;
  }
  async secure(host: string): Promise<void> {
    this.socket.removeAllListeners('data');
    this.socket.removeAllListeners('close');
    const plain = this.socket;
    this.socket = await new Promise<Socket>((ok, fail) => {
      const s = connectTls({ socket: plain, servername: host }, () => ok(s));
      s.once('error', fail);
    });
    this.listen();
  }
  close(): void {
    this.socket.removeAllListeners('close');
    this.socket.end();
  }
}

const shown = (v: Wire | undefined): string => (typeof v === 'string' ? v : toJson(v));
const filled = (template: string, ret: WireMap): string =>
  template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => shown(ret[name]));
/** A header's text: one line, and beyond ASCII in an encoded word. */
function header(text: string): string {
  const line = text.replace(/[\r\n]+/g, ' ');
  return /^[\x20-\x7e]*$/.test(line) ? line : `=?utf-8?B?${Buffer.from(line).toString('base64')}?=`;
}

async function bodyOf(options: ReturnerOptions, ret: WireMap): Promise<string> {
  const path = textOption(options, 'template');
  if (path !== undefined) return filled(await readFile(path, 'utf8'), ret);
  const line = (name: string, v: Wire | undefined): string => `${name}: ${shown(v)}`;
  return [
    line('id', ret['id']),
    line('function', ret['fun']),
    line('function args', ret['fun_args'] ?? []),
    line('jid', ret['jid']),
    line('return', ret['return']),
  ].join('\n');
}

async function mail(ret: WireMap, ctx: ReturnerCtx): Promise<void> {
  const options = returnerOptions('smtp', Object.fromEntries(NAMES.map((n) => [n, n])), DEFAULTS, ctx);
  const text = (key: string): string => textOption(options, key) ?? '';
  const to = text('to')
    .split(',')
    .map((a) => a.trim())
    .filter(Boolean);
  if (!text('from') || !to.length)
    throw new SaltError('SaltConfigurationError', 'The smtp returner needs smtp.from and smtp.to');
  for (const address of [text('from'), ...to])
    if (/[\s<>]/.test(address)) throw new SaltError('SaltConfigurationError', `smtp: ${address} is no address`);
  const given = options['fields'];
  const fields = Array.isArray(given) ? given.map(String) : text('fields').split(',');
  const extra = fields.map((f) => f.trim()).flatMap((f) => (f && ret[f] !== undefined ? [shown(ret[f])] : []));
  const subject = [filled(text('subject'), ret), ...extra].join(' ');
  const encoded = Buffer.from(await bodyOf(options, ret)).toString('base64');
  const message = [
    `From: ${text('from')}`,
    `To: ${to.join(', ')}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Subject: ${header(subject)}`,
    `Message-ID: <${String(ret['jid']).replace(/[^\w.-]/g, '')}.${String(ret['id']).replace(/[^\w.-]/g, '_')}@${hostname()}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    ...(encoded.match(/.{1,76}/g) ?? ['']),
  ].join('\r\n');
  const host = text('host');
  const socket = connect({ host, port: numberOption(options, 'port', 25) });
  const talk = new Talk(socket);
  try {
    await talk.ask(undefined, '2');
    await talk.ask(`EHLO ${hostname()}`, '2');
    if (options['tls'] === true) {
      await talk.ask('STARTTLS', '2');
      await talk.secure(host);
      await talk.ask(`EHLO ${hostname()}`, '2');
    }
    if (text('username')) {
      const word = Buffer.from(`\0${text('username')}\0${text('password')}`).toString('base64');
      await talk.ask(`AUTH PLAIN ${word}`, '2', 'AUTH');
    }
    await talk.ask(`MAIL FROM:<${text('from')}>`, '2', 'MAIL');
    for (const address of to) await talk.ask(`RCPT TO:<${address}>`, '2', `RCPT ${address}`);
    await talk.ask('DATA', '3');
    await talk.ask(`${message}\r\n.`, '2', 'message');
    await talk.ask('QUIT', '2').catch(() => undefined);
  } catch (e) {
    if (e instanceof SaltError) throw e;
    throw new SaltError('SaltClientError', `smtp: ${messageOf(e)}`, {}, { cause: e });
  } finally {
    talk.close();
  }
}

export default { returner: (ret, ctx) => mail(keptReturn(ret), ctx) } satisfies Returner;
