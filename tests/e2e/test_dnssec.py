"""DNSSEC behind a forwarder: with `[dns] trust_anchor` the answers are validated, and a forged one counts as none."""
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from harness import Server, check, deliver, equal

RULES = '''
[thresholds]
junk = 5
reject = 12

[[rule]]
id = "spf-fail"
points = { 'spf.result == fail' = 12 }
'''
CONF = '''server:
  ip-address: 127.0.0.1@{port}
  port: {port}
  do-ip6: no
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  xfrdir: "{folder}"
  logfile: "{folder}/nsd.log"
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone.signed"
'''


class SignedDns:
    """nsd with one signed root zone. `forge(text)` changes the zone after it was signed."""

    def __init__(self, records, forge=lambda text: text):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='wicket-dnssec-'))
        (self.folder / 'root.zone').write_text('\n'.join([
            '$TTL 60', '. SOA ns.test. root.test. 1 3600 900 86400 60', '. NS ns.test.', 'ns.test. A 127.0.0.1', *records, '']))
        name = self.run('ldns-keygen', '-a', 'ECDSAP256SHA256', '-k', '.').strip()
        self.run('ldns-signzone', '-f', 'root.zone.signed', 'root.zone', name)
        signed = self.folder / 'root.zone.signed'
        signed.write_text(forge(signed.read_text()))
        self.anchor = self.folder / f'{name}.key'
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.forward = f'127.0.0.1:{self.port}'
        (self.folder / 'nsd.conf').write_text(CONF.format(port=self.port, folder=self.folder))
        program = shutil.which('nsd') or '/usr/sbin/nsd'
        self.process = subprocess.Popen([program, '-d', '-c', str(self.folder / 'nsd.conf')], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_it_answers()

    def run(self, *words):
        return subprocess.run(words, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def wait_until_it_answers(self):
        end = time.monotonic() + 20
        question = b'\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02ns\x04test\x00\x00\x01\x00\x01'
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.2)
            udp.connect(('127.0.0.1', self.port))
            while time.monotonic() < end:
                try:
                    udp.send(question)
                    if udp.recv(512)[:2] == question[:2]:
                        return
                except OSError:
                    time.sleep(0.02)
        raise AssertionError('nsd does not answer: ' + (self.folder / 'nsd.log').read_text()[-2000:])

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


SIGNED = ['sender.test. TXT "v=spf1 ip4:198.51.100.7 -all"', 'sender.test. A 198.51.100.7', 'other.test. TXT "v=spf1 ip4:192.0.2.1 -all"']


def record_of(dns, sender):
    with Server(rules=RULES, dns=dns) as server:
        reply = deliver(server, sender=sender)
        return reply, server.explain(reply.id)


def answer_of(record, name):
    return next(entry for entry in record['dns'] if entry['name'] == name and entry['type'] == 'TXT')


def test_signed_answers_are_authentic():
    dns = SignedDns(SIGNED)
    try:
        reply, record = record_of(dns, 'someone@sender.test')
        equal((reply.code, record['facts']['spf.result']), (250, 'pass'), 'mail of a signed domain')
        check(answer_of(record, 'sender.test').get('authentic') is True, f'not authentic: {record["dns"]}')
        reply, record = record_of(dns, 'someone@other.test')
        equal((reply.code, record['facts']['spf.result']), (550, 'fail'), 'mail that its signed domain does not want')
        reply, record = record_of(dns, 'someone@nowhere.test')
        equal((reply.code, record['facts']['spf.result']), (250, 'none'), 'a name that is proved not to exist')
        equal(answer_of(record, 'nowhere.test')['status'], 'no_such_name', 'its answer')
    finally:
        dns.stop()


def test_a_forged_answer_is_no_answer():
    def forge(text):
        forged = re.sub(r'(sender\.test\.\s+\d+\s+IN\s+TXT\s+)"[^"]*"', r'\1"v=spf1 ip4:203.0.113.9 -all"', text)
        check(forged != text, 'nothing was forged')
        return forged
    dns = SignedDns(SIGNED, forge)
    try:
        reply, record = record_of(dns, 'someone@sender.test')
        equal(reply.code, 250, 'what nobody vouches for refuses nothing')
        equal(record['facts']['spf.result'], 'temperror', 'spf.result')
        answer = answer_of(record, 'sender.test')
        equal((answer['status'], answer['records']), ('try_again', []), f'the forged answer: {answer}')
    finally:
        dns.stop()
