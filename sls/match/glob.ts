import { fnmatch } from '../fnmatch.ts';
import type { Matcher } from './contract.ts';

/** The id matches a shell pattern. A target that is no text matches nothing. */
export const glob: Matcher = (tgt, subject) => typeof tgt === 'string' && fnmatch(subject.id, tgt);
