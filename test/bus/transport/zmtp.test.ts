import { Dealer } from 'zeromq';
import { ZmqPublishServer, ZmqRequestServer } from '../../../bus/transport/zeromq.ts';
import { ZmtpPublishClient, ZmtpRequestClient } from '../../../bus/transport/zmtp.ts';
import { transportSuite } from '../../conformance/transport-suite.ts';

const HOST = '127.0.0.1';

transportSuite({
  name: 'zmtp by hand against zeromq',
  requestServer: () => new ZmqRequestServer(),
  requestClient: (port) => new ZmtpRequestClient({ host: HOST, port }),
  publishServer: () => new ZmqPublishServer(),
  publishClient: (port, topics) => new ZmtpPublishClient({ host: HOST, port, ...(topics ? { topics } : {}) }),
  sendRaw: async (port, messages) => {
    const dealer = new Dealer({ linger: 5000 });
    dealer.connect(`tcp://${HOST}:${port}`);
    for (const m of messages) await dealer.send(m);
    dealer.close();
  },
});
