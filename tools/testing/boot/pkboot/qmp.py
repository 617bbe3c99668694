# SPDX-License-Identifier: GPL-2.0
"""The least of a QMP client, and of a qtest client."""

import json
import socket


class Qmp:
    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.file = self.sock.makefile('rw')
        self._reply()
        self.command('qmp_capabilities')

    def _reply(self):
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError('QMP: QEMU has gone')
            msg = json.loads(line)
            if 'event' not in msg:
                return msg

    def command(self, name, **args):
        self.file.write(json.dumps({'execute': name, 'arguments': args}) + '\n')
        self.file.flush()
        msg = self._reply()
        if 'error' in msg:
            raise RuntimeError('QMP %s: %s' % (name, msg['error']['desc']))
        return msg['return']

    def hmp(self, line):
        return self.command('human-monitor-command', **{'command-line': line})

    def close(self):
        self.file.close()
        self.sock.close()


class Qtest:
    """Reads and writes physical memory and I/O ports of a running machine."""

    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.file = self.sock.makefile('rw')

    def command(self, line):
        self.file.write(line + '\n')
        self.file.flush()
        while True:
            reply = self.file.readline()
            if not reply:
                raise ConnectionError('qtest: QEMU has gone')
            if reply.startswith('IRQ '):
                continue
            if not reply.startswith('OK'):
                raise RuntimeError('qtest %s: %s' % (line, reply.strip()))
            return reply[2:].strip()

    def readl(self, addr):
        return int(self.command('readl 0x%x' % addr), 16)

    def readq(self, addr):
        return int(self.command('readq 0x%x' % addr), 16)

    def writel(self, addr, value):
        self.command('writel 0x%x 0x%x' % (addr, value))

    def outl(self, port, value):
        self.command('outl 0x%x 0x%x' % (port, value))

    def inl(self, port):
        return int(self.command('inl 0x%x' % port), 16)

    def close(self):
        self.file.close()
        self.sock.close()
