"""What the benchmarks stand on: a journalled file system, CPU accounting, Postfix, nsd, our server, keys and messages.

Everything is on loopback and below build/bench. Needs root, for the loop mount, cgroups and Postfix.
"""
import atexit
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LAB = ROOT / 'build/bench'
SPOOL = LAB / 'spool'
BINARY = pathlib.Path(os.environ.get('WICKET_BINARY') or ROOT / 'build/mailwicket')
IMAGE_OCTETS = 8 << 30
TICK = os.sysconf('SC_CLK_TCK')
LISTS = ('bl1', 'bl2', 'bl3')
sys.path.insert(0, str(ROOT / 'tests/e2e'))
sys.path.insert(0, str(ROOT / 'packaging/demo'))


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, **options)


def read(path, default=''):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return default


# ---- file system ----

def mount():
    """An ext4 image with a journal at SPOOL: an ext4 without one creates files slowly after mass deletions."""
    SPOOL.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(SPOOL):
        return
    image = LAB / 'spool.img'
    if not image.exists():
        with image.open('wb') as file:
            file.truncate(IMAGE_OCTETS)
        run('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image)
    run('mount', '-o', 'loop', image, SPOOL)


def unmount():
    if os.path.ismount(SPOOL):
        subprocess.run(['umount', str(SPOOL)])


# ---- CPU of a group of processes ----

@functools.cache
def cgroup_base():
    """A cgroup v2 folder, or one of v1's cpuacct; of this run alone, since stop() ends whatever is in a group."""
    for line in read('/proc/mounts').splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == 'cgroup2' and 'cpu' in read(folder + '/cgroup.controllers') or kind == 'cgroup' and 'cpuacct' in options.split(','):
            base = pathlib.Path(folder) / f'mailwicket-bench-{os.getpid()}'
            base.mkdir(exist_ok=True)
            atexit.register(remove_groups, base)
            return base
    raise SystemExit('no cgroup with CPU accounting')


def remove_groups(base):
    for folder in (*base.glob('*/'), base):
        try:
            folder.rmdir()
        except OSError:
            pass  # somebody still lives there


class Group:
    """The processes of one side, and the CPU seconds that all of them have used, dead ones included."""

    def __init__(self, name):
        self.folder = cgroup_base() / name
        self.folder.mkdir(exist_ok=True)

    def start(self, words, **options):
        path, autogroup = self.folder / 'cgroup.procs', pathlib.Path('/proc/self/autogroup')
        # A session of its own is a scheduling group of its own; it gets the weight of ours.
        weight = read(autogroup).rpartition(' ')[2].strip()

        def enter():
            path.write_text(str(os.getpid()))
            if weight:
                autogroup.write_text(weight)
        return subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, preexec_fn=enter, start_new_session=True, **options)

    def cpu(self):
        for line in read(self.folder / 'cpu.stat').splitlines():
            if line.startswith('usage_usec'):
                return int(line.split()[1]) / 1e6
        return int(read(self.folder / 'cpuacct.usage', '0')) / 1e9

    def pids(self):
        return [int(pid) for pid in read(self.folder / 'cgroup.procs').split()]

    def pss_kib(self):
        """(sum of the proportional set sizes, number of processes)"""
        sizes = [re.search(r'^Pss:\s*(\d+)', read(f'/proc/{pid}/smaps_rollup'), re.M) for pid in self.pids()]
        return sum(int(size[1]) for size in sizes if size), len([size for size in sizes if size])

    def quiet(self, limit=10.0):
        """Waits until the group uses less than 1 % of a CPU twice in a row; the CPU seconds then."""
        end, calm, before = time.time() + limit, 0, self.cpu()
        while time.time() < end and calm < 2:
            time.sleep(0.2)
            now = self.cpu()
            calm = calm + 1 if now - before <= 0.002 else 0
            before = now
        return before

    def stop(self):
        """TERM, after 10 s KILL, to the processes of this group only."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                try:
                    os.kill(pid, sign)
                except ProcessLookupError:
                    pass
            end = time.time() + 10
            while self.pids() and time.time() < end:
                time.sleep(0.05)


def process_cpu(pid):
    """CPU seconds of one process."""
    fields = read(f'/proc/{pid}/stat').rsplit(')', 1)[-1].split()
    return (int(fields[11]) + int(fields[12])) / TICK if fields else 0.0


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_port(port, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f'nothing listens on 127.0.0.1:{port}')


# ---- Postfix ----

class Postfix:
    """Debian's Postfix in an instance of its own: accepts into the hold queue, synced, without any filter."""
    name = 'postfix'

    def __init__(self):
        self.group, self.port = Group('postfix'), free_port()
        self.config, self.queue = SPOOL / 'postfix-config', SPOOL / 'postfix'

    def start(self):
        for folder in (self.config, self.queue):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        data = SPOOL / 'postfix-data'
        data.mkdir(exist_ok=True)
        shutil.chown(data, 'postfix', 'postfix')
        (self.config / 'main.cf').write_text('\n'.join([
            'compatibility_level = 3.6', f'queue_directory = {self.queue}', f'data_directory = {data}', 'command_directory = /usr/sbin',
            'daemon_directory = /usr/lib/postfix/sbin', 'meta_directory = /etc/postfix', 'shlib_directory = /usr/lib/postfix',
            'myhostname = mx.bench.test', 'mydomain = bench.test', 'mydestination =', 'mynetworks = 192.0.2.1/32',
            'inet_interfaces = 127.0.0.1', 'inet_protocols = ipv4', f'maillog_file = {SPOOL}/postfix.log', f'maillog_file_prefixes = {SPOOL}',
            'virtual_mailbox_domains = bench.test', 'virtual_mailbox_maps = static:u/', 'virtual_transport = virtual',
            f'virtual_mailbox_base = {SPOOL}/postfix-mail', 'virtual_uid_maps = static:65534', 'virtual_gid_maps = static:65534', 'alias_maps =',
            'smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination', 'smtpd_client_connection_count_limit = 0',
            'smtpd_client_event_limit_exceptions = static:all', 'default_process_limit = 300', 'biff = no', 'in_flow_delay = 0', 'message_size_limit = 26214400', '']))
        services = ['pickup unix n - n 60 1 pickup', 'cleanup unix n - n - 0 cleanup', 'qmgr unix n - n 300 1 qmgr',
                    'tlsmgr unix - - n 1000? 1 tlsmgr', 'rewrite unix - - n - - trivial-rewrite', 'bounce unix - - n - 0 bounce',
                    'defer unix - - n - 0 bounce', 'trace unix - - n - 0 bounce', 'verify unix - - n - 1 verify', 'flush unix n - n 1000? 0 flush',
                    'proxymap unix - - n - - proxymap', 'proxywrite unix - - n - 1 proxymap', 'error unix - - n - - error',
                    'retry unix - - n - - error', 'virtual unix - n n - - virtual', 'anvil unix - - n - 1 anvil', 'scache unix - - n - 1 scache', 'postlog unix-dgram n - n - 1 postlogd']
        (self.config / 'master.cf').write_text(
            f'127.0.0.1:{self.port} inet n - n - 300 smtpd -o smtpd_client_restrictions=static:HOLD\n' + '\n'.join(services) + '\n')
        log = (LAB / 'postfix.out').open('ab')
        starter = self.group.start(['/usr/sbin/postfix', '-c', self.config, 'start'], stdout=log, stderr=log)
        starter.wait(60)
        wait_port(self.port)
        self.group.quiet()

    def stop(self):
        log = (LAB / 'postfix.out').open('ab')
        subprocess.run(['/usr/sbin/postfix', '-c', str(self.config), 'stop'], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.group.stop()

    def held(self):
        return sum(len(files) for _, _, files in os.walk(self.queue / 'hold'))


# ---- DNS ----

class Dns:
    """nsd with one root zone; its CPU is nobody's."""

    def __init__(self, records):
        self.group, self.port, self.folder = Group('dns'), free_port(), LAB / 'dns'
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = ['$TTL 3600', '. SOA ns.test. root.test. 1 3600 900 86400 3600', '. NS ns.test.', 'ns.test. A 127.0.0.1',
                 *(f'{name}. {kind} {value}' for name, kind, value in records)]
        (self.folder / 'bench.zone').write_text('\n'.join(lines) + '\n')
        folder = self.folder
        (folder / 'nsd.conf').write_text(
            f'server:\n  ip-address: 127.0.0.1@{self.port}\n  port: {self.port}\n  do-ip6: no\n  server-count: 1\n  username: "root"\n'
            f'  chroot: ""\n  zonesdir: "{folder}"\n  database: ""\n  pidfile: "{folder}/nsd.pid"\n  xfrdfile: "{folder}/xfrd.state"\n'
            f'  zonelistfile: "{folder}/zone.list"\n  xfrdir: "{folder}"\n  logfile: "{folder}/nsd.log"\n  rrl-ratelimit: 0\n'
            f'remote-control:\n  control-enable: yes\n  control-interface: {folder}/nsd.sock\n'
            'zone:\n  name: "."\n  zonefile: "bench.zone"\n')
        log = (folder / 'nsd.out').open('ab')
        self.process = self.group.start(['/usr/sbin/nsd', '-d', '-c', folder / 'nsd.conf'], stdout=log, stderr=log)
        wait_port(self.port)

    def questions(self):
        """Answered so far."""
        text = run('/usr/sbin/nsd-control', '-c', self.folder / 'nsd.conf', 'stats_noreset', stdout=subprocess.PIPE, text=True).stdout
        return int(re.search(r'^num\.queries=(\d+)', text, re.M)[1])

    def stop(self):
        self.group.stop()


# ---- our server ----

RULES = '[thresholds]\njunk = 5\nreject = 12\n'
LIST_RULES = ''.join(f'''
[dnsbl.{name}]
zone = "{name}.test"
of = "client.ip"
listed = {{ bad = "127.0.0.2" }}
private = true
probe = false

[[rule]]
id = "{name}"
points = {{ 'dnsbl.{name} has bad' = 5 }}
''' for name in LISTS)
SENDER_RULES = '''
[[rule]]
id = "spf-fail"
points = { 'spf.result == fail' = 3 }

[[rule]]
id = "signed"
points = { 'dkim.pass is absent' = 0.5 }
'''
REFUSING_RULE = '''
[[rule]]
id = "refused"
when = 'mail.domain == "refused.example"'
then = "reject"
why = "We do not take mail from {mail.domain}"
'''
NO_FILTERS = '\n[filters]\noff = ["spf", "dkim", "iprev", "helo"]\n'


class Wicket:
    """Our server with its shipped settings: sync, log and records on, TLS configured."""
    name = 'mailwicket'

    def __init__(self, dns, rules, tables='', sessions=0, state=None):
        """`state`: a store that it begins with, and takes."""
        self.group, self.dns, self.rules, self.tables, self.sessions, self.state = Group('mailwicket'), dns, rules, tables, sessions, state
        self.folder = SPOOL / 'mailwicket'

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / 'rules').mkdir(parents=True)
        (self.folder / 'rules/bench.toml').write_text(self.rules)
        if self.state:
            shutil.move(self.state, self.folder / 'state')
        limits = f'  [listen.limits]\n  total = {self.sessions}\n' if self.sessions else ''
        self.config = self.folder / 'mailwicket.toml'
        self.config.write_text(
            f'hostname = "mx.bench.test"\nstate = "state"\nrules = "rules"\n[[listen]]\nservice = "smtp"\naddress = "127.0.0.1:0"\n{limits}'
            f'[[listen]]\nservice = "smtp"\naddress = "127.0.0.1:0"\nproxy = ["127.0.0.0/8"]\n{limits}'
            f'[tls]\ncertificate = "{LAB}/tls/cert.pem"\nkey = "{LAB}/tls/cert.key"\n[dns]\nforward = ["127.0.0.1:{self.dns.port}"]\n'
            f'[[domain]]\nname = "bench.test"\ndeliver = "store"\n{self.tables}')
        if self.tables and subprocess.run([str(BINARY), 'check', '-c', str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            print('# this server cannot switch filters off: what should be measured without them is measured with them', flush=True)
            self.config.write_text(self.config.read_text().replace(self.tables, ''))
        run(BINARY, 'account', 'add', 'u@bench.test', '-c', self.config, input=b'a password\n', stdout=subprocess.DEVNULL)
        log = (self.folder / 'server.log').open('ab')
        self.process = self.group.start([BINARY, 'serve', '-c', self.config], stdout=subprocess.PIPE, stderr=log, text=True)
        ports = []
        for line in self.process.stdout:
            if match := re.match(r'listening smtp .*:(\d+)$', line.strip()):
                ports.append(int(match[1]))
            if line.strip() == 'ready':
                break
        else:
            raise SystemExit('our server did not start: ' + read(self.folder / 'server.log')[-2000:])
        self.port, self.proxy_port = ports
        self.group.quiet()

    def status(self):
        return json.loads(self.command('status', '--json'))

    def command(self, *words):
        return run(BINARY, *words, '-c', self.config, stdout=subprocess.PIPE, text=True).stdout

    def cpu_parts(self):
        """(front, workers) in CPU seconds; workers that have been replaced count among the workers."""
        front = process_cpu(self.process.pid)
        return front, max(0.0, self.group.cpu() - front)

    def worker_pids(self):
        return [pid for pid in self.group.pids() if pid != self.process.pid]

    def stop(self):
        self.group.stop()


# ---- keys and messages ----

def prepare():
    """The load generators and the certificate; made once."""
    (LAB / 'tls').mkdir(parents=True, exist_ok=True)
    if not (LAB / 'tls/cert.pem').exists():
        from harness import make_certificate
        make_certificate(LAB / 'tls', 'mx.bench.test')
    for name in ('loadgen', 'refusals'):
        source, program = ROOT / f'tests/bench/{name}.cpp', LAB / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            run('clang++-19', '-std=c++23', '-O2', '-pthread', source, '-o', program)


def make_key(path):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run('openssl', 'genrsa', '-traditional', '-out', path, '2048', stderr=subprocess.DEVNULL)
    return path


def signed_message(domain, key, size=10240):
    """`size` octets with one rsa-sha256 signature, LF line ends."""
    import dkim
    head = (f'From: Sam Sender <s@{domain}>\r\nTo: <u@bench.test>\r\nSubject: figures\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\n'
            f'Message-ID: <bench@{domain}>\r\n\r\n').encode()
    line = b'The quick brown fox jumps over the lazy dog, and then again for the figures.\r\n'
    message = head + line * max(1, (size - len(head) - 640) // len(line))
    signature = dkim.sign(message, b's1', domain.encode(), key.read_bytes(), canonicalize=(b'relaxed', b'relaxed'),
                          include_headers=[b'from', b'to', b'subject', b'date', b'message-id'])
    return (signature + message).replace(b'\r\n', b'\n')


def sender_records(domain, key, addresses):
    """What a sender's domain publishes."""
    from world import public_key, txt
    return [(domain, 'TXT', txt('v=spf1 ' + ' '.join(f'ip4:{a}' for a in addresses) + ' -all')), (domain, 'A', '127.0.0.1'),
            (domain, 'MX', f'10 mx.{domain}.'), (f'mx.{domain}', 'A', '127.0.0.1'),
            (f's1._domainkey.{domain}', 'TXT', txt('v=DKIM1; k=rsa; p=' + public_key(key)))]
