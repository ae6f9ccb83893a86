import type { Matcher } from './contract.ts';

/** Range clusters need a range server's client library, which this platform does not have: nothing matches, as in Salt without it. */
export const range: Matcher = () => false;
