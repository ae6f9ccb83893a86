/**
 * Makes the texts `sys.doc` prints: what a function does, then an example block of calls, each a function of the module with its
 * arguments.
 */
export function docFor(module: string): (what: string, ...examples: string[]) => string {
  return (what, ...examples) =>
    `${what}\n\nCLI Example:\n\n.. code-block:: bash\n\n${examples.map((e) => `    salt '*' ${module}.${e}`).join('\n')}`;
}
