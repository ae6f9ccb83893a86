import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { SaltError } from '../errors.ts';
import { checkSocketPath, type LocalAddress } from './local.ts';

/** Whether somebody answers on a unix socket. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const s = connect(path);
    s.once('connect', () => {
      s.destroy();
      resolve(true);
    });
    s.once('error', (e: NodeJS.ErrnoException) => resolve(e.code === 'EACCES' || e.code === 'EAGAIN'));
  });
}

function listen(server: Server, address: LocalAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const ready = (): void => {
      server.removeListener('error', reject);
      resolve();
    };
    if (typeof address === 'string') server.listen(address, ready);
    else server.listen(address.port, address.host, ready);
  });
}

/**
 * Listens on a unix socket with a mode from its first moment, or on a loopback port. A socket file that nobody answers on is
 * replaced; one that is answered rejects with SaltError PortInUse.
 */
export async function listenLocal(
  address: LocalAddress,
  mode: number,
  accept: (socket: Socket) => void,
): Promise<{ server: Server; close(): Promise<void> }> {
  const server = createServer({ noDelay: true }, accept);
  const sockets = new Set<Socket>();
  server.on('connection', (s) => {
    sockets.add(s);
    s.once('close', () => sockets.delete(s));
  });
  if (typeof address === 'string') {
    checkSocketPath(address);
    await replaceStale(address);
    // The file is born with no rights beyond the owner's, then given those it shall have.
    const before = process.umask(0o177);
    let ready: Promise<void>;
    try {
      ready = listen(server, address);
    } finally {
      process.umask(before);
    }
    await ready.catch((e: NodeJS.ErrnoException) => {
      throw e.code === 'EADDRINUSE' ? inUse(address) : e;
    });
    chmodSync(address, mode);
  } else {
    await listen(server, address).catch((e: NodeJS.ErrnoException) => {
      throw e.code === 'EADDRINUSE' ? inUse(`${address.host}:${address.port}`) : e;
    });
  }
  // After it listens, an error of the server itself concerns one accept (out of descriptors); the server goes on.
  server.on('error', () => undefined);
  return {
    server,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const s of sockets) s.destroy();
      }),
  };
}

const inUse = (where: string): SaltError =>
  new SaltError('PortInUse', `The socket ${where} is in use by another process`, { address: where });

async function replaceStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw e;
  }
  if (!isSocket) throw new SaltError('SaltConfigurationError', `${path} exists and is no socket`, { path });
  if (await isAlive(path)) throw inUse(path);
  unlinkSync(path);
}
