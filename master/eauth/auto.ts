/** `auto`: accepts anyone. For tests on closed machines only; it must be named in `external_auth` like any other. */
import type { Eauth } from './contract.ts';

/** The check itself, which accepts all. */
export const auto = { auth: () => true } satisfies Eauth;

export default auto;
