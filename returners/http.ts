/**
 * Posts each return as JSON to a web address. Ours; options `http.url`, `http.method` (POST), `http.headers` (a map), `http.username` and
 * `http.password` (basic), `http.timeout` (10 s). Events go as one array a batch. An answer that blames the data (400, 413, 422 …) gives it up; any other is tried again.
 */
import { messageOf, SaltError } from '../bus/errors.ts';
import { PyDict, type Wire } from '../bus/values.ts';
import type { Returner, ReturnerCtx } from './contract.ts';
import { keptReturn } from './shape/job.ts';
import { toJson } from './shape/json.ts';
import { numberOption, returnerOptions, textOption } from './shape/options.ts';

const KEYS = {
  url: 'url',
  method: 'method',
  headers: 'headers',
  username: 'username',
  password: 'password',
  timeout: 'timeout',
};
const AGAIN = new Set([401, 403, 404, 407, 408, 425, 429]);

async function post(body: Wire, ctx: ReturnerCtx): Promise<void> {
  const options = returnerOptions('http', KEYS, { method: 'POST', timeout: 10 }, ctx);
  const url = textOption(options, 'url');
  if (url === undefined) throw new SaltError('SaltConfigurationError', 'The http returner needs http.url');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const given = options['headers'];
  if (given instanceof PyDict) for (const [k, v] of given) headers[String(k)] = String(v);
  const user = textOption(options, 'username');
  if (user !== undefined)
    headers['authorization'] =
      `Basic ${Buffer.from(`${user}:${textOption(options, 'password') ?? ''}`).toString('base64')}`;
  let status: number;
  try {
    const answer = await fetch(url, {
      method: textOption(options, 'method') ?? 'POST',
      headers,
      body: toJson(body),
      signal: AbortSignal.timeout(numberOption(options, 'timeout', 10) * 1000),
    });
    await answer.arrayBuffer();
    status = answer.status;
  } catch (e) {
    const cause = (e as { cause?: unknown }).cause;
    throw new SaltError('SaltClientError', `http returner: ${messageOf(cause ?? e)}`, {}, { cause: e });
  }
  if (status >= 200 && status < 300) return;
  const refused = status >= 400 && status < 500 && !AGAIN.has(status);
  throw new SaltError(
    refused ? 'CommandExecutionError' : 'SaltClientError',
    `http returner: the server answered ${status}`,
  );
}

export default {
  returner: (ret, ctx) => post(keptReturn(ret), ctx),
  eventReturn: (events, ctx) =>
    post(
      events.map(({ tag, data }) => ({ tag, data })),
      ctx,
    ),
} satisfies Returner;
