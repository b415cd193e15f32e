"""The body of `./dev serve`: a made-up domain with certificate, DNS, accounts and mail, on loopback, in the foreground.

Everything it makes stands in build/demo and is kept; --fresh wipes it. It ends the server and the DNS that it started
when it ends. build/demo/demo.json says where everything is, before `ready` is printed.
"""
import argparse
import ctypes
import json
import os
import pathlib
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import seed  # noqa: E402 (after the path is set)
import world  # noqa: E402

BINARY = pathlib.Path(os.environ.get('WICKET_BINARY') or ROOT / 'build/mailwicket')
START_LIMIT_SECONDS = 30
PREFERRED_PORTS = {'smtp': 2525, 'pop3': 2110, 'dns': 5353}
ACCOUNTS = [f'alice@{world.DOMAIN}', f'bob@{world.DOMAIN}']
CONFIG = '''# Made by ./dev serve; kept until ./dev serve --fresh. Change it as you like.
hostname = "mx.example.test"
state    = "state"
rules    = [{rules}]

[[listen]]
service = "smtp"
address = "127.0.0.1:{smtp}"
xclient = ["127.0.0.0/8"]   # so that the seeded mail can come from made-up hosts

[[listen]]
service = "pop3"
address = "127.0.0.1:{pop3}"

[tls]
certificate = "tls/cert.pem"
key         = "tls/key.pem"

[dns]
forward = ["127.0.0.1:{dns}"]

[[domain]]
name    = "example.test"
deliver = "store"
aliases = "aliases.txt"
'''
NSD = '''server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  do-ip6: no
  server-count: 1
  username: "{user}"
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  logfile: "{folder}/nsd.log"
  rrl-ratelimit: 0
  hide-version: yes
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "demo.zone"
'''


def run(*words, **options):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def free_port(kind):
    """The port the demo likes best if it is free for UDP and TCP, else one of the kernel's choice."""
    for port in (PREFERRED_PORTS[kind], 0):
        try:
            with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tcp.bind(('127.0.0.1', port))
                if kind == 'dns':
                    udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
        except OSError:
            continue
    raise SystemExit('no free port on 127.0.0.1')


def make_tls(folder):
    """A certificate authority of the demo's own and a certificate that it signed."""
    if (folder / 'cert.pem').exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    run('openssl', 'req', '-x509', *curve, '-days', '3650', '-subj', '/CN=Mailwicket demo CA', '-keyout', folder / 'ca.key',
        '-out', folder / 'ca.pem')
    run('openssl', 'req', *curve, '-subj', '/CN=mx.example.test', '-keyout', folder / 'key.pem', '-out', folder / 'request.pem')
    extensions = folder / 'extensions'
    extensions.write_text('subjectAltName=DNS:mx.example.test,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n')
    run('openssl', 'x509', '-req', '-in', folder / 'request.pem', '-CA', folder / 'ca.pem', '-CAkey', folder / 'ca.key',
        '-CAcreateserial', '-days', '3650', '-extfile', extensions, '-out', folder / 'cert.pem')
    for name in ('ca.key', 'key.pem'):
        (folder / name).chmod(0o600)


def make_zone(folder, keys):
    """One zone, the root, holds all that the made-up world publishes; everything else does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['$TTL 300', '. SOA ns.demo.test. root.demo.test. 1 3600 900 86400 60', '. NS ns.demo.test.', 'ns.demo.test. A 127.0.0.1']
    lines += [f'{name}. {kind} {value}' for name, kind, value in world.zone_records(keys, ROOT / 'rules')]
    (folder / 'demo.zone').write_text('\n'.join(lines) + '\n')


def make_config(folder, ports, dns_port):
    config = folder / 'mailwicket.toml'
    if not (folder / 'rules').exists():
        shutil.copytree(ROOT / 'packaging/demo/rules', folder / 'rules')
    if not (folder / 'aliases.txt').exists():
        (folder / 'aliases.txt').write_text('# alias target[, target]\npostmaster alice@example.test\nabuse      alice@example.test\n'
                                            'all        alice@example.test, bob@example.test\n')
    if config.exists():
        # Kept as it is, but for the ports, which something else may have taken since.
        text = config.read_text()
        text = re.sub(r'(forward = \["127\.0\.0\.1:)\d+', rf'\g<1>{dns_port}', text)
        for service, port in ports.items():
            text = re.sub(rf'(service = "{service}"\s+address = "127\.0\.0\.1:)\d+', rf'\g<1>{port}', text)
        if text != config.read_text():
            config.write_text(text)
        return config
    rules = ', '.join(json.dumps(name) for name in ([os.path.relpath(ROOT / 'rules', folder)] if list((ROOT / 'rules').rglob('*.toml'))
                                                   else []) + ['rules'])
    config.write_text(CONFIG.format(rules=rules, dns=dns_port, **ports))
    return config


def make_accounts(folder, config):
    """{address: password}; made once, while the server does not run."""
    path = folder / 'passwords.json'
    if path.exists():
        return json.loads(path.read_text())
    passwords = {address: secrets.token_urlsafe(9) for address in ACCOUNTS}
    for address, password in passwords.items():
        subprocess.run([BINARY, 'account', 'add', address, '-c', config], input=password + '\n', text=True, check=True,
                       stdout=subprocess.DEVNULL)
    path.touch(mode=0o600)
    path.write_text(json.dumps(passwords))
    return passwords


class Children:
    """What the demo has started: ends with it, in reverse order, however it ends."""

    def __init__(self):
        self.running = []

    def start(self, words, **options):
        library, parent = ctypes.CDLL(None), os.getpid()

        def bind_to_parent():
            library.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: when we are killed, so is the child
            if os.getppid() != parent:
                os._exit(1)
        child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, preexec_fn=bind_to_parent,
                                 start_new_session=True, **options)
        self.running.append(child)
        return child

    def stop(self):
        for child in reversed(self.running):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(40)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def start_dns(folder, port, children):
    owner = subprocess.run(['id', '-un'], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    (folder / 'nsd.conf').write_text(NSD.format(folder=folder, port=port, user=owner))
    program = shutil.which('nsd') or '/usr/sbin/nsd'
    log = (folder / 'nsd.out').open('ab')
    child = children.start([program, '-d', '-c', folder / 'nsd.conf'], stdout=log, stderr=log)
    question = b'\0\1\0\0\0\1\0\0\0\0\0\0\2ns\4demo\4test\0\0\1\0\1'
    end = time.monotonic() + START_LIMIT_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.1)
        while time.monotonic() < end and child.poll() is None:
            try:
                udp.sendto(question, ('127.0.0.1', port))
                if udp.recv(512)[:2] == b'\0\1':
                    return child
            except OSError:
                time.sleep(0.05)
    children.stop()
    raise SystemExit('the DNS server did not start; see ' + str(folder / 'nsd.log') + '\n' + (folder / 'nsd.out').read_text()[-2000:])


def start_server(folder, config, children):
    """(process, {service: [address]})"""
    log = (folder / 'server.log').open('ab')
    server = children.start([BINARY, 'serve', '-c', config], stdout=subprocess.PIPE, stderr=log, text=True)
    listeners, ready = {}, threading.Event()

    def read():
        for line in server.stdout:
            if match := re.match(r'listening (\S+) (\S+)$', line.strip()):
                listeners.setdefault(match[1], []).append(match[2])
            if line.strip() == 'ready':
                ready.set()
        ready.set()
    threading.Thread(target=read, daemon=True).start()
    if not ready.wait(START_LIMIT_SECONDS) or not listeners:
        children.stop()
        raise SystemExit(f'the server did not start; the end of {folder / "server.log"}:\n' + (folder / 'server.log').read_text()[-3000:])
    return server, listeners


def seed_once(folder, smtp_port):
    """Sends the seeded mail if that was not done before."""
    mark = folder / 'seeded'
    if mark.exists():
        return
    print(f'sending {len(world.MAILS)} messages through the SMTP port', flush=True)
    counts = seed.send_all(smtp_port, folder / 'keys', lambda mail, code, text: print(
        f'  {mail.host:10} {mail.subject or mail.how:42} {text.splitlines()[-1] if code > 500 else code or text}', flush=True))
    mark.write_text(json.dumps(counts))


def examples(config, listeners, passwords, folder):
    """[(what, one line of bash)]"""
    smtp, pop = listeners['smtp'][0], listeners['pop3'][0]
    host, smtp_port = smtp.rsplit(':', 1)
    user = ACCOUNTS[0]
    login = shlex.quote(f'{user}:{passwords[user]}')
    wicket = f'{shlex.quote(str(BINARY))} %s -c {shlex.quote(str(config))}'
    swaks = f'swaks --server {smtp} --to {user}'
    newest = f'$(curl -s --user {login} pop3://{pop}/ | tail -n 1 | cut -d" " -f1)'
    return [
        ('send a clean message: 250 with an id', f'{swaks} --from ann@visitor.example --ehlo visitor.example'),
        ('the same under TLS', f'{swaks} --from ann@visitor.example --ehlo visitor.example --tls'),
        ('as a listed host: refused, with the reason', f'{swaks} --from deals@cheap-pills.example --ehlo mx.cheap-pills.example '
                                                       '--xclient-addr 203.0.113.66'),
        ('with a forged sender: SPF fails', f'{swaks} --from security@bank.example --ehlo pc-80.isp.example --xclient-addr 203.0.113.80'),
        ('the certificate', f'openssl s_client -connect {smtp} -starttls smtp -servername mx.example.test -verify_return_error '
                            f'-CAfile {shlex.quote(str(folder / "tls/ca.pem"))} -brief < /dev/null'),
        ('what alice has', f'curl -s --user {login} pop3://{pop}/'),
        ('the newest message of alice', f'curl -s --user {login} pop3://{pop}/{newest}'),
        ('what went to her Junk', f'curl -s --user {shlex.quote(user.replace("@", "+Junk@") + ":" + passwords[user])} pop3://{pop}/'),
        ('all decisions', wicket % 'log'),
        ('only what was refused', wicket % 'log verdict:reject'),
        ('the whole story of the newest refusal', wicket % ("explain $(" + wicket % 'log verdict:reject --json'
                                                            + " | tail -n 1 | sed 's/.*\"id\": *\"\\([0-9A-V]*\\)\".*/\\1/')")),
        ('is the configuration right?', wicket % 'check'),
        ('what rules can speak of', wicket % 'facts'),
    ]


def main():
    parser = argparse.ArgumentParser(prog='./dev serve', description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--fresh', action='store_true', help='forget all that an earlier demo has made')
    parser.add_argument('--folder', default=str(ROOT / 'build/demo'), help='instead of build/demo')
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder).resolve()
    if arguments.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    os.umask(0o077)  # passwords, keys and mail stand below
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'demo.json').unlink(missing_ok=True)
    children = Children()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        make_tls(folder / 'tls')
        world.make_keys(folder / 'keys')
        make_zone(folder / 'dns', folder / 'keys')
        ports = {service: free_port(service) for service in ('smtp', 'pop3')}
        dns_port = free_port('dns')
        config = make_config(folder, ports, dns_port)
        passwords = make_accounts(folder, config)
        dns = start_dns(folder / 'dns', dns_port, children)
        server, listeners = start_server(folder, config, children)
        seed_once(folder, int(listeners['smtp'][0].rsplit(':', 1)[1]))
        lines = examples(config, listeners, passwords, folder)
        (folder / 'demo.json').write_text(json.dumps({
            'config': str(config), 'binary': str(BINARY), 'listeners': listeners, 'dns': f'127.0.0.1:{dns_port}',
            'accounts': [{'address': address, 'password': password} for address, password in passwords.items()],
            'pids': {'server': server.pid, 'dns': dns.pid}, 'log': str(folder / 'server.log'),
            'examples': [{'what': what, 'line': line} for what, line in lines]}, indent=2) + '\n')
        print('\nThe server of example.test is running; its log is ' + str(folder / 'server.log'))
        for service, addresses in listeners.items():
            print(f'listening {service} {" ".join(addresses)}')
        for address, password in passwords.items():
            print(f'account {address} password {password}')
        print('\nTry, in another shell:')
        for what, line in lines:
            print(f'\n# {what}\n{line}')
        print('\nCtrl-C ends everything that was started here; the state is kept (--fresh wipes it).', flush=True)
        print('ready', flush=True)
        code = server.wait()
        print(f'the server has ended with {code}; the end of its log:\n' + (folder / 'server.log').read_text()[-2000:], file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    except subprocess.CalledProcessError as error:
        print(f'{error}\n{(error.stderr or b"").decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""}',
              file=sys.stderr)
        return 1
    finally:
        (folder / 'demo.json').unlink(missing_ok=True)  # it says that all this is running
        children.stop()


if __name__ == '__main__':
    sys.exit(main())
