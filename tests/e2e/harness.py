"""What the end-to-end tests are written with: the real server in a folder of its own, raw SMTP and POP3 clients.

    with Server(rules=RULES) as server:
        with Smtp(server) as client:
            client.hello(); reply = client.send_mail('a@sender.test', ['alice@example.test'], MESSAGE)

Every port is the kernel's choice. WICKET_BINARY names the server (default: build/mailwicket).
"""
import atexit
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from dns_server import DnsServer

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get('WICKET_BINARY') or str(ROOT / 'build/mailwicket')
# For what a sanitizer cannot bear, such as a process without descriptors; `./dev test` builds it first.
RELEASE_BINARY = str(ROOT / 'build/mailwicket')
if not os.path.isabs(BINARY):
    BINARY = os.path.abspath(BINARY)
HOSTNAME = 'mx.example.test'
DOMAIN = 'example.test'
PASSWORD = 'correct horse battery'
START_LIMIT_SECONDS = 60
REPLY_LIMIT_SECONDS = 40   # the server answers within 20 s of end-of-data, whatever the DNS does
MESSAGE = (b'From: Ann <ann@sender.test>\r\nTo: alice@example.test\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\n'
           b'Message-ID: <1@sender.test>\r\nSubject: hello\r\n\r\nA body.\r\n')
# A field in front of a message, of the right form and worth nothing, that makes the key be asked for and the message be scanned.
SIGNATURE = b'DKIM-Signature: v=1; a=rsa-sha256; d=sender.test; s=s1; h=from:date; bh=' + b'A' * 43 + b'=; b=' + b'A' * 342 + b'==\r\n'
# No list, no points: what is accepted is accepted by the server, not by rules.
NO_RULES = '[thresholds]\njunk = 5\nreject = 12\n'
ID = re.compile(r'id=([0-9A-V]{20})\s*$')


class Skip(Exception):
    """Raised by a test that cannot run here; the message says why."""


def check(condition, what):
    """As an assertion that says what was wrong."""
    if not condition:
        raise AssertionError(what)


def equal(got, want, what='value'):
    if got != want:
        raise AssertionError(f'{what} is {got!r}, not {want!r}')


def wait_until(condition, what, seconds=20):
    """Polls a condition of another process."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.02)
    return value


def toml(value):
    """A value as TOML; texts as basic strings."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, (list, tuple)):
        return '[' + ', '.join(toml(v) for v in value) + ']'
    return json.dumps(value) if isinstance(value, str) else str(value)


def make_certificate(folder, name=HOSTNAME, prefix='cert'):
    """A self-signed certificate and its key; returns their paths."""
    certificate, key = pathlib.Path(folder) / f'{prefix}.pem', pathlib.Path(folder) / f'{prefix}.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                    '-subj', f'/CN={name}', '-addext', f'subjectAltName=DNS:{name}', '-keyout', str(key), '-out', str(certificate)],
                   check=True, stderr=subprocess.DEVNULL)
    key.chmod(0o600)
    return certificate, key


class Prepared:
    """What most servers of a run begin with, made once and copied: a certificate, and stores with accounts."""

    def __init__(self):
        self.lock, self.folder, self.stores = threading.Lock(), None, {}

    def make_folder(self):
        if not self.folder:
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix='wicket-e2e-prepared-'))
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
            make_certificate(self.folder)

    def copy_certificate(self, folder):
        with self.lock:
            self.make_folder()
        for name in ('cert.pem', 'cert.key'):
            shutil.copy(self.folder / name, folder)

    def copy_store(self, server, accounts):
        """The state folder of a server that has no configuration of its own, with these accounts."""
        key = (server.binary, accounts)
        with self.lock:
            self.make_folder()
            if key not in self.stores:
                for name in accounts:
                    server.add_account(name)
                self.stores[key] = shutil.copytree(server.folder / 'state', self.folder / f'state-{len(self.stores)}')
                return
        shutil.copytree(self.stores[key], server.folder / 'state')


PREPARED = Prepared()


class Server:
    """The server and its folder. Starts with `with`, or with start(); stop() ends it and what it left behind.

    listeners: list of dicts as in [[listen]]; `limits` in one is its [listen.limits]. rules: text of a rule file, or
    None for the shipped folder. extra: more TOML, put at the top (before any table). tables: more TOML, put at the end.
    """

    def __init__(self, listeners=None, rules=NO_RULES, accounts=('alice', 'bob'), zone=None, tls=True, aliases='', extra='',
                 tables='', environment=None, nofile=None, dns=None, binary=BINARY):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='wicket-e2e-'))
        self.binary = binary
        self.own_dns = dns is None
        self.dns = dns or DnsServer(zone)
        self.listeners = listeners or [{'service': 'smtp', 'xclient': ['127.0.0.0/8']}, {'service': 'pop3'}]
        self.rules, self.tls, self.aliases, self.extra, self.tables = rules, tls, aliases, extra, tables
        self.environment, self.nofile = environment or {}, nofile
        self.config = self.folder / 'mailwicket.toml'
        self.process, self.ports, self.lines = None, {}, []
        self.write_config()
        if accounts and not (extra or tables):
            PREPARED.copy_store(self, tuple(accounts))
        else:
            for name in accounts:
                self.add_account(name)

    # ---- configuration ----

    def write_config(self):
        (self.folder / 'rules').mkdir(exist_ok=True)
        if self.rules is not None:
            (self.folder / 'rules/rules.toml').write_text(self.rules)
        rules = 'rules' if self.rules is not None else str(ROOT / 'rules')
        text = f'hostname = "{HOSTNAME}"\nstate = "state"\nrules = "{rules}"\n{self.extra}\n'
        for listener in self.listeners:
            text += '\n[[listen]]\n' + f'address = {toml(listener.get("address", "127.0.0.1:0"))}\n'
            text += ''.join(f'{k} = {toml(v)}\n' for k, v in listener.items() if k not in ('limits', 'address'))
            if listener.get('limits'):
                text += '  [listen.limits]\n' + ''.join(f'  {k} = {toml(v)}\n' for k, v in listener['limits'].items())
        if self.tls:
            if not (self.folder / 'cert.pem').exists():
                PREPARED.copy_certificate(self.folder)
            text += '\n[tls]\ncertificate = "cert.pem"\nkey = "cert.key"\n'
        anchor = f'trust_anchor = "{self.dns.anchor}"\n' if getattr(self.dns, 'anchor', None) else ''
        text += f'\n[dns]\nforward = ["{self.dns.forward}"]\n{anchor}\n[[domain]]\nname = "{DOMAIN}"\ndeliver = "store"\n'
        if self.aliases:
            (self.folder / 'aliases.txt').write_text(self.aliases)
            text += 'aliases = "aliases.txt"\n'
        self.config.write_text(text + '\n' + self.tables)

    def command(self, *words, stdin='', check_code=0, timeout=60):
        """Runs `mailwicket WORDS -c CONFIG`; returns the CompletedProcess. check_code=None: any exit code will do."""
        result = subprocess.run([self.binary, *words, '-c', str(self.config)], input=stdin, text=True, capture_output=True,
                                timeout=timeout, cwd=self.folder)
        if check_code is not None and result.returncode != check_code:
            raise AssertionError(f'mailwicket {" ".join(words)} ended with {result.returncode}: {result.stdout}{result.stderr}')
        return result

    def add_account(self, name, password=PASSWORD):
        self.command('account', 'add', name if '@' in name else f'{name}@{DOMAIN}', stdin=password + '\n')

    def explain(self, identifier):
        return json.loads(self.command('explain', identifier, '--json').stdout)

    def log(self, *query):
        return [json.loads(line) for line in self.command('log', *query, '--json').stdout.splitlines() if line.strip()]

    # ---- running ----

    def start(self, wait=True):
        self.ports, self.lines, self.ready = {}, [], threading.Event()
        nofile = self.nofile

        def limit():
            if nofile:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        self.log_file = self.folder / 'server.log'
        with self.log_file.open('ab') as log:
            self.process = subprocess.Popen([self.binary, 'serve', '-c', str(self.config)], cwd=self.folder, stdout=subprocess.PIPE,
                                            stderr=log, stdin=subprocess.DEVNULL, text=True, env=dict(os.environ, **self.environment),
                                            preexec_fn=limit, start_new_session=True)
        threading.Thread(target=self.read_output, args=(self.process, self.ports, self.lines, self.ready), daemon=True).start()
        if wait and (not self.ready.wait(START_LIMIT_SECONDS) or not self.ports):
            code = self.process.poll()
            self.kill()
            raise AssertionError(f'the server did not become ready (exit {code}): {self.lines} {self.log_text()[-2000:]}')
        return self

    @staticmethod
    def read_output(process, ports, lines, ready):
        """Of one run: what is left of an earlier one must not speak for the next."""
        for line in process.stdout:
            lines.append(line.rstrip('\n'))
            if match := re.match(r'listening (\S+) (.+):(\d+)$', line.strip()):
                ports.setdefault(match[1], []).append(int(match[3]))
            if line.strip() == 'ready':
                ready.set()
        ready.set()

    def log_text(self):
        return self.log_file.read_text(errors='replace')

    def port(self, service='smtp', index=0):
        return self.ports[service][index]

    def pid(self):
        return self.process.pid

    def workers(self):
        """pids of the scan workers: our children that run `scan`."""
        found = []
        for entry in pathlib.Path('/proc').iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / 'stat').read_text().rsplit(')', 1)[1].split()[1])
                    if parent == self.pid() and b'\0scan\0' in (entry / 'cmdline').read_bytes() + b'\0':
                        found.append(int(entry.name))
                except (OSError, IndexError):
                    continue
        return sorted(found)

    def resident_kib(self):
        return int(re.search(r'VmRSS:\s*(\d+)', pathlib.Path(f'/proc/{self.pid()}/status').read_text())[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f'/proc/{self.pid()}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def terminate(self, seconds=40):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self):
        """SIGKILL, the workers with it."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill_group(self):
        """What a front that has died may have left: its workers."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop_processes(self):
        """What was wrong with the end, or None."""
        failed = None
        if self.process and self.process.poll() is None:
            try:
                code = self.terminate()
                failed = f'the server ended with {code} on SIGTERM' if code else None
            except subprocess.TimeoutExpired:
                failed = 'the server did not end within 40 s of SIGTERM'
                self.kill()
        return failed

    def stop(self):
        failed = self.stop_processes()
        if self.own_dns:
            self.dns.stop()
        text = self.log_text() if hasattr(self, 'log_file') and self.log_file.exists() else ''
        if sanitizer := re.search(r'.*(?:AddressSanitizer|runtime error:|ThreadSanitizer|LeakSanitizer).*', text):
            failed = sanitizer[0] + text[sanitizer.start():sanitizer.start() + 3000]
        shutil.rmtree(self.folder, ignore_errors=True)
        if failed:
            raise AssertionError(failed)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
        except AssertionError:
            if kind is None:
                raise


class Reply:
    """A reply of SMTP: code, and all lines as they came."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3]) if lines and lines[-1][:3].isdigit() else 0
        self.text = '\n'.join(line[4:] for line in lines)
        self.enhanced = (re.match(r'\d\.\d+\.\d+', lines[-1][4:]) or [''])[0] if lines else ''

    @property
    def id(self):
        match = ID.search(self.lines[-1])
        if not match:
            raise AssertionError(f'no id at the end of {self.lines[-1]!r}')
        return match[1]

    def __repr__(self):
        return ' / '.join(self.lines) or '(closed)'


class Client:
    """A TCP connection whose every octet is the test's."""

    def __init__(self, server, service='smtp', index=0, timeout=REPLY_LIMIT_SECONDS, source=None, family=socket.AF_INET):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(('127.0.0.1', server if isinstance(server, int) else server.port(service, index)))
        self.buffer = b''

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def send_softly(self, data):
        """As send(); a peer that has closed is no error. Returns whether all was taken."""
        try:
            self.send(data)
            return True
        except OSError:
            return False

    def line(self):
        """The next line without CRLF; None when the server has closed."""
        while b'\n' not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                return None
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b'\n')
        return line.rstrip(b'\r').decode('utf-8', 'replace')

    def closed(self):
        """Reads to the end; True if the server closes."""
        try:
            while self.line() is not None:
                pass
            return True
        except socket.timeout:
            return False

    def quiet(self, seconds):
        """True if nothing comes for that long and the connection stands."""
        self.socket.settimeout(seconds)
        try:
            self.buffer += self.socket.recv(1) or b'\0closed'
            return False
        except (socket.timeout, ssl.SSLWantReadError):
            return True
        finally:
            self.socket.settimeout(REPLY_LIMIT_SECONDS)

    def start_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        # Not on connect: for a socket that was reset wrap_socket() would leave the handshake out, without an error.
        self.socket = context.wrap_socket(self.socket, do_handshake_on_connect=False)
        self.socket.do_handshake()
        self.buffer = b''

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Smtp(Client):
    """banner=False: the banner is left to the test."""

    def __init__(self, server, banner=True, **options):
        super().__init__(server, **options)
        if banner:
            self.greeting = self.reply()

    def reply(self):
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
            if line[3:4] != '-':
                break
        return Reply(lines)

    def ask(self, line):
        self.send_softly(line + (b'\r\n' if isinstance(line, bytes) else '\r\n'))
        return self.reply()

    def expect(self, line, code):
        reply = self.ask(line)
        if reply.code != code:
            raise AssertionError(f'{line!r} got {reply!r}, not {code}')
        return reply

    def hello(self, name='client.sender.test'):
        return self.expect(f'EHLO {name}', 250)

    def become(self, address, name='[UNAVAILABLE]'):
        """XCLIENT: another client address, and EHLO again is the caller's."""
        text = f'IPV6:{address}' if ':' in address else address
        self.hello('relay.test')
        return self.expect(f'XCLIENT ADDR={text} NAME={name}', 220)

    def send_mail(self, sender, recipients, message=MESSAGE):
        """MAIL, RCPTs, DATA; the first reply that is a refusal, or that of the message."""
        reply = self.ask(f'MAIL FROM:<{sender}>')
        accepted = False
        if reply.code == 250:
            for recipient in recipients:
                reply = self.ask(f'RCPT TO:<{recipient}>')
                accepted = accepted or reply.code == 250
            if not accepted:
                return reply
            reply = self.ask('DATA')
            if reply.code == 354:
                self.send(re.sub(rb'(?m)^\.', b'..', message) + b'.\r\n')
                return self.reply()
        return reply


class Pop3(Client):
    def __init__(self, server, user='alice@example.test', password=PASSWORD, login=True, **options):
        super().__init__(server, service='pop3', **options)
        self.greeting = self.line()
        if login:
            self.expect(f'USER {user}')
            self.expect(f'PASS {password}')

    def ask(self, line):
        self.send_softly(line + '\r\n')
        return self.line()

    def expect(self, line):
        answer = self.ask(line)
        if not (answer or '').startswith('+OK'):
            raise AssertionError(f'{line!r} got {answer!r}')
        return answer

    def body(self):
        """The lines of a multi-line answer, unstuffed."""
        lines = []
        while (line := self.line()) is not None and line != '.':
            lines.append(line[1:] if line.startswith('.') else line)
        return lines

    def many(self, line):
        self.expect(line)
        return self.body()

    def count(self):
        return int(self.expect('STAT').split()[1])

    def messages(self):
        return ['\r\n'.join(self.many(f'RETR {n}')) + '\r\n' for n in range(1, self.count() + 1)]


def mailbox_count(server, user='alice@example.test'):
    """How many messages the owner of a mailbox sees."""
    with Pop3(server, user) as pop:
        count = pop.count()
        pop.ask('QUIT')
        return count


def deliver(server, sender='ann@sender.test', recipients=('alice@example.test',), message=MESSAGE, client='198.51.100.7',
            helo='client.sender.test'):
    """One message from a made-up client address (XCLIENT); returns the reply."""
    with Smtp(server) as smtp:
        if client:
            smtp.become(client)
        smtp.hello(helo)
        reply = smtp.send_mail(sender, list(recipients), message)
        smtp.ask('QUIT')
        return reply


PLANTING = threading.Lock()


def plant(server, *words):
    """Runs tests/e2e/plant.cpp on the store of a server that does not run; what it prints."""
    build = pathlib.Path(server.binary).parent
    if not (build / 'build.ninja').exists():
        build = ROOT / 'build/release'
    with PLANTING:
        subprocess.run(['ninja', '-C', str(build), '--quiet', 'plant'], check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([str(build / 'plant'), str(server.folder / 'state'), *words], check=True, stdout=subprocess.PIPE, text=True).stdout
