export interface DumpOptions {
  x?: 1;
}
export function dumpYaml(): string {
  return '';
}
