"""The server under systemd: sockets that are handed over, a restart that refuses nobody, and what it tells (sd_notify)."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import MESSAGE, Server, Smtp, check, deliver, equal, mailbox_count, wait_until

# As systemd does it: the sockets are descriptors 3 and up, and LISTEN_PID is the process that is to have them.
LAUNCHER = '''
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[2:2 + count]]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number, inheritable=True)
os.closerange(3 + count, 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
'''


class Notices:
    """The socket that NOTIFY_SOCKET names, and what was said on it."""

    def __init__(self, folder):
        self.path = str(folder / 'notify')
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.05)
        self.said = []

    def words(self):
        try:
            while True:
                self.said += self.socket.recv(4096).decode().splitlines()
        except socket.timeout:
            return self.said

    def expect(self, pattern, seconds=30):
        return wait_until(lambda: [word for word in self.words() if re.fullmatch(pattern, word)], f'the notice {pattern}', seconds)


class Unit(Server):
    """A server whose listening sockets are the test's, as systemd's are its own."""

    def __init__(self, services=('smtp', 'pop3'), sockets=None, address='127.0.0.1', **options):
        self.sockets = sockets or [socket.create_server(('127.0.0.1', 0), backlog=128) for _ in services]
        self.wanted = {service: [each.getsockname()[1]] for service, each in zip(services, self.sockets)}
        listeners = [{'service': service, 'address': f'{address}:{each.getsockname()[1]}', 'xclient': ['127.0.0.0/8']} for
                     service, each in zip(services, self.sockets)]
        for listener in listeners:
            if listener['service'] != 'smtp':
                del listener['xclient']
        super().__init__(listeners=listeners, **options)
        self.notices = Notices(self.folder)
        self.environment = {'NOTIFY_SOCKET': self.notices.path}

    def start(self, wait=True):
        numbers = [each.fileno() for each in self.sockets]
        words = [sys.executable, '-c', LAUNCHER, str(len(numbers)), *map(str, numbers), self.binary, 'serve', '-c', str(self.config)]
        self.ports, self.lines, self.ready = {}, [], threading.Event()
        self.log_file = self.folder / 'server.log'
        with self.log_file.open('ab') as log:
            self.process = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
                                            env=dict(os.environ, **self.environment), pass_fds=numbers, start_new_session=True)
        threading.Thread(target=self.read_output, args=(self.process, self.ports, self.lines, self.ready), daemon=True).start()
        check(self.ready.wait(60) and self.ports, f'the server did not become ready: {self.lines} {self.log_text()[-2000:]}')
        return self

    def stop(self):
        super().stop()
        for each in [*self.sockets, self.notices.socket]:
            each.close()


def open_files(pid):
    """What the descriptors of a process stand for; some go while one looks."""
    names = []
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            names.append(os.readlink(f'/proc/{pid}/fd/{fd}'))
        except FileNotFoundError:
            pass
    return names


def test_sockets_that_systemd_hands_over_are_used():
    with Unit() as server:
        equal(server.ports, server.wanted, 'ports')
        equal(deliver(server).code, 250, 'mail')
        equal(mailbox_count(server), 1, 'messages')
        check('fits no listener' not in server.log_text(), 'a socket was left over')
        sockets = [line.split() for line in open('/proc/net/tcp').read().splitlines()[1:]]
        inodes = {name[8:-1] for name in open_files(server.pid()) if name.startswith('socket:')}
        listening = [row[9] for row in sockets if row[3] == '0A' and row[9] in inodes]
        equal(len(listening), 2, 'listening sockets of the server')


def test_sockets_are_known_however_their_address_is_written():
    for host, dual, address in (('::', True, '0.0.0.0'), ('::', False, '[::]'), ('::1', False, '[0:0:0:0:0:0:0:1]')):
        sockets = [socket.create_server((host, 0), family=socket.AF_INET6, dualstack_ipv6=dual)]
        with Unit(services=('smtp',), sockets=sockets, address=address) as server:
            check('fits no listener' not in server.log_text(), f'{address}: the socket was left over')
            if dual:
                # A client of IPv4 on a socket of IPv6 is one of IPv4: its networks are those of the configuration.
                with Smtp(server.wanted['smtp'][0]) as client:
                    check('XCLIENT' in client.hello().text, 'XCLIENT is not offered to 127.0.0.1')


def test_a_socket_that_fits_no_listener_is_named_in_the_log():
    server = Unit()
    extra = socket.create_server(('127.0.0.1', 0))
    server.sockets.append(extra)
    with server:
        check(f'127.0.0.1:{extra.getsockname()[1]}' in server.log_text(), 'the log does not name it')
        equal(deliver(server).code, 250, 'mail')


def test_on_a_restart_clients_wait_and_none_is_refused():
    with Unit() as server:
        outcomes, stop = [], threading.Event()

        def knock():
            """What a mail server does: one message a connection, again and again. 421 to an idle session is no loss, it comes again."""
            while not stop.is_set():
                try:
                    with Smtp(server.wanted['smtp'][0], timeout=60) as client:
                        greeting = client.greeting.code
                        if greeting == 220:
                            client.hello()
                            greeting = client.send_mail('ann@sender.test', ['alice@example.test']).code
                        outcomes.append(greeting)
                except ConnectionRefusedError:
                    outcomes.append('refused')
                except (OSError, AssertionError):
                    outcomes.append('cut off')
        threads = [threading.Thread(target=knock) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            seen = len(outcomes)
            wait_until(lambda: len(outcomes) > seen + 10, 'some mail')
            server.process.terminate()
            equal(server.process.wait(40), 0, 'exit code')
            with socket.create_connection(('127.0.0.1', server.wanted['smtp'][0]), 5) as waiting:  # nobody serves now
                waiting.settimeout(60)
                server.start()
                check(waiting.recv(100).startswith(b'220 '), 'who knocked meanwhile is not served')
        stop.set()
        for thread in threads:
            thread.join()
        check('refused' not in outcomes, 'a connection was refused')
        # A session that was idle when the server went down reads 421, or its end if that came first.
        check(set(outcomes) <= {250, 421, 'cut off'}, f'{set(outcomes)}')
        check(outcomes.count(250) > len(outcomes) - 16, f'{len(outcomes) - outcomes.count(250)} of {len(outcomes)} were not taken at once')
        equal(mailbox_count(server), outcomes.count(250), 'messages')


def test_the_server_tells_systemd_what_it_does():
    with Unit() as server:
        server.notices.expect('READY=1')
        server.notices.said.clear()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        server.reload()
        server.notices.expect('READY=1')
        check('RELOADING=1' in server.notices.said, f'{server.notices.said}')
        # sd_notify(3): Type=notify-reload needs the time of the reload, so that an earlier READY=1 is not taken for its end.
        stamp = int(server.notices.expect(r'MONOTONIC_USEC=\d+')[0].split('=')[1])
        check(before <= stamp <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, f'{stamp} is not a time after {before}')
        equal(server.notices.said[-1], 'READY=1', 'the last word')
        server.process.send_signal(signal.SIGTERM)
        server.notices.expect('STOPPING=1')
        equal(server.process.wait(40), 0, 'exit code')


def test_each_thread_shows_what_it_does():
    with Server() as server:
        def names():
            return {path.read_text().strip() for path in pathlib.Path(f'/proc/{server.process.pid}/task').glob('*/comm')}

        wait_until(lambda: {'hub', 'commit', 'blobs', 'refusals', 'keeper'} <= names(), f'the names are {names()}')


def test_sigterm_lets_a_transaction_end_and_sends_idle_sessions_away():
    with Unit() as server:
        with Smtp(server) as busy, Smtp(server) as idle:
            for client in (busy, idle):
                client.hello()
            busy.expect('MAIL FROM:<ann@sender.test>', 250)
            busy.expect('RCPT TO:<alice@example.test>', 250)
            busy.expect('DATA', 354)
            busy.send(MESSAGE[:40])
            start = time.monotonic()
            server.process.terminate()
            equal(idle.reply().code, 421, 'the idle session')
            check(idle.closed(), 'the idle session stands')
            check(time.monotonic() - start < 5, 'the idle session waited')
            busy.send(MESSAGE[40:] + b'.\r\n')
            equal(busy.reply().code, 250, 'the transaction')
            equal(busy.reply().code, 421, 'its session afterwards')
            equal(server.process.wait(30), 0, 'exit code')
            check(time.monotonic() - start < 30, 'too long')
        server.start()
        equal(mailbox_count(server), 1, 'messages')


def test_who_never_ends_is_cut_off_within_half_a_minute():
    with Unit() as server, Smtp(server) as hanging:
        hanging.hello()
        hanging.expect('MAIL FROM:<ann@sender.test>', 250)
        start = time.monotonic()
        server.process.terminate()
        equal(server.process.wait(45), 0, 'exit code')
        took = time.monotonic() - start
        check(25 < took < 40, f'{took:.0f} s')
        check('cut off' in server.log_text(), 'the log does not say so')
