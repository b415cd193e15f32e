"""Things that break: kill -9, dying workers, bad files at reload, two instances, what the processes may do."""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import (BINARY, DOMAIN, MESSAGE, NO_RULES, RELEASE_BINARY, SIGNATURE, Pop3, Server, Smtp, check, deliver, equal,
                     mailbox_count, make_certificate, wait_until)

KILL_CYCLES = int(os.environ.get('WICKET_KILL_CYCLES', '200' if 'WICKET_LONG' in os.environ else '25'))
SENDERS = 6
HERE = pathlib.Path(__file__).resolve().parent


class Load:
    """Threads that send mail as fast as they can and note what was acknowledged."""

    def __init__(self, server, cycle):
        self.acknowledged, self.sent, self.stop = [], [], threading.Event()
        self.large = self.spooled = 0  # of those acknowledged
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(server.port(), f'{cycle}.{n}')) for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, port, name):
        number = 0
        try:
            with Smtp(port, timeout=20) as client:
                client.hello()
                while not self.stop.is_set():
                    number += 1
                    token = f'{name}.{number}'
                    padding = b'p' * 70 + b'\r\n'
                    # One of them sends what has a file of its own (over 128 KiB) and comes by way of the spool (over 1 MiB).
                    lines = random.choice((2_000, 16_000) if name.endswith('.0') else (1, 30, 400))
                    body = MESSAGE + f'token {token}\r\n'.encode() + padding * lines + b'end\r\n'
                    with self.lock:
                        self.sent.append(token)
                    if client.send_mail('ann@sender.test', [f'alice@{DOMAIN}'], body).code == 250:
                        with self.lock:
                            self.acknowledged.append(token)
                            self.large += len(body) > 128 << 10
                            self.spooled += len(body) > 1 << 20
        except (OSError, AssertionError):
            return  # the server was killed

    def join(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def tokens_in_mailbox(server):
    """The tokens of all messages of alice; a message without its last line fails."""
    found = []
    with Pop3(server) as pop:
        for number in range(1, pop.count() + 1):
            lines = pop.many(f'RETR {number}')
            token = [line for line in lines if line.startswith('token ')]
            check(len(token) == 1 and lines[-1] == 'end', f'message {number} is not whole: {lines[-3:]}')
            found.append(token[0].split()[1])
            pop.expect(f'DELE {number}')
        pop.expect('QUIT')
    return found


def test_f1_kill_9_loses_no_acknowledged_message():
    victims = ('front', 'worker', 'group')
    with Server() as server:
        missing, acknowledged, twice, large, spooled = [], 0, 0, 0, 0
        for cycle in range(KILL_CYCLES):
            load = Load(server, cycle)
            time.sleep(random.uniform(0.05, 0.5))
            victim = victims[cycle % 3]
            if victim == 'worker':
                for pid in server.workers()[:1]:
                    os.kill(pid, signal.SIGKILL)
                load.join()
            else:
                if victim == 'front':
                    os.kill(server.pid(), signal.SIGKILL)
                    server.process.wait()
                server.kill()
                load.join()
                server.start()
            found = tokens_in_mailbox(server)
            missing += sorted(set(load.acknowledged) - set(found))
            check(set(found) <= set(load.sent), f'messages nobody sent: {sorted(set(found) - set(load.sent))[:3]}')
            acknowledged += len(load.acknowledged)
            large, spooled = large + load.large, spooled + load.spooled
            twice += len(found) - len(set(found))
        check(not missing, f'{len(missing)} of {acknowledged} acknowledged messages are missing: {missing[:5]}')
        check(acknowledged > KILL_CYCLES, f'only {acknowledged} messages were acknowledged')
        check(large and spooled, f'{large} large and {spooled} spooled messages were acknowledged: the test does not reach them')
        equal(server.command('verify').returncode, 0, 'verify')
        print(f'kill -9: {KILL_CYCLES} cycles, {acknowledged} acknowledged ({large} over 128 KiB, {spooled} over 1 MiB), '
              f'none missing, {twice} twice')


def test_f1_kill_9_right_after_a_refusal_loses_no_id():
    with Server() as server:
        told = []
        for _ in range(5):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                time.sleep(0.1)  # nothing else is being written
                told.append(client.expect('RCPT TO:<nobody@example.test>', 550).id)
                time.sleep(0.2)  # a person who reads the reply takes longer
                server.kill()
            server.start()
        lost = [identifier for identifier in told if server.command('explain', identifier, check_code=None).returncode]
        check(not lost, f'{len(lost)} of {len(told)} ids that clients were told cannot be explained')


def test_f1_a_thousand_equal_messages_are_a_thousand():
    count = 200
    with Server() as server:
        def send(_):
            with Smtp(server) as client:
                client.hello()
                return [client.send_mail('ann@sender.test', ['bob@example.test']).code for _ in range(count // 4)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            codes = sum(pool.map(send, range(4)), [])
        equal(codes.count(250), count, 'accepted')
        equal(mailbox_count(server, 'bob@example.test'), count, 'messages')


def test_f6_bad_files_at_reload_change_nothing():
    rules = '[thresholds]\njunk = 5\nreject = 12\n[[rule]]\nid = "no-bob"\nwhen = \'rcpt.address == "bob@example.test"\'\nthen = "reject"\nwhy = "no"\n'
    with Server(rules=rules) as server, Smtp(server) as witness:
        witness.hello()
        good = (server.folder / 'rules/rules.toml').read_text()

        def still_refused():
            equal(deliver(server, recipients=['bob@example.test']).code, 550, 'the old rule')
            equal(witness.ask('NOOP').code, 250, 'a session that was open')
        for name, text in (('rules/rules.toml', good.replace('rcpt.address', 'rcpt.adress')), ('rules/rules.toml', good[:-20]),
                           ('rules/rules.toml', ''.join(good.split('[[rule]]')[:1]) + '[[rule]]\nid = "x"\n'), ('cert.pem', 'rubbish'),
                           ('mailwicket.toml', server.config.read_text() + '\nbogus = 1\n')):
            path = server.folder / name
            kept = path.read_text()
            path.write_text(text)
            seen = len(server.log_text())
            server.reload()
            wait_until(lambda: len(server.log_text()) > seen, f'a word about the bad {name}')
            still_refused()
            path.write_text(kept)
        (server.folder / 'cert.key').rename(server.folder / 'away')
        seen = len(server.log_text())
        server.reload()
        wait_until(lambda: 'not reloaded' in server.log_text()[seen:], 'a word about the key that is gone')
        check(f'there is no file {server.folder}/cert.key' in server.log_text()[seen:], server.log_text()[seen:])
        still_refused()
        with Smtp(server) as client:
            client.hello()
            client.expect('STARTTLS', 220)
            client.start_tls()
        (server.folder / 'away').rename(server.folder / 'cert.key')
        (server.folder / 'rules/rules.toml').write_text(good.replace('reject"', 'accept"'))
        server.reload()
        wait_until(lambda: deliver(server, recipients=['bob@example.test']).code == 250, 'the new rules')


def served_certificate(server):
    """SHA-256 of the one that STARTTLS shows."""
    with Smtp(server) as client:
        client.hello()
        client.expect('STARTTLS', 220)
        client.start_tls()
        return hashlib.sha256(client.socket.getpeercert(True)).hexdigest()


def test_f6_a_certificate_behind_links_is_renewed_by_a_reload():
    """As certbot lays them out: live/cert.pem is a link to ../archive/cert1.pem, and later to cert2.pem."""
    with tempfile.TemporaryDirectory() as outside:
        live, archive = pathlib.Path(outside) / 'live', pathlib.Path(outside) / 'archive'
        live.mkdir()
        archive.mkdir()

        def issue(number):
            make_certificate(archive, prefix=f'cert{number}')
            for kind in ('pem', 'key'):
                (live / f'cert.{kind}').unlink(missing_ok=True)
                (live / f'cert.{kind}').symlink_to(f'../archive/cert{number}.{kind}')
        issue(1)
        with Server(tls=False, tables=f'[tls]\ncertificate = "{live}/cert.pem"\nkey = "{live}/cert.key"\n') as server:
            first = served_certificate(server)
            issue(2)
            server.reload()
            wait_until(lambda: re.search('reloaded', server.log_text()), 'a word about the reload')
            check('not reloaded' not in server.log_text(), server.log_text())
            check(served_certificate(server) != first, 'the old certificate is served')
            (archive / 'cert2.key').chmod(0)
            server.reload()
            said = wait_until(lambda: re.search('not reloaded.*', server.log_text()), 'a word about the key')[0]
            check('cert.key: Permission denied' in said, said)


def test_f6_lists_outside_the_folder_of_the_rules_are_read():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        rules = (NO_RULES + '[[list]]\nname = "bad"\nkind = "domain"\nfile = "%s/bad.txt"\n'
                 '[[rule]]\nid = "listed"\nwhen = \'mail.domain in list("bad")\'\nthen = "reject"\nwhy = "no"\n')
        for folder in (one, other):
            (pathlib.Path(folder) / 'bad.txt').write_text('spam.test\n')
        with Server(rules=rules % one) as server:
            equal(deliver(server, sender='ann@spam.test').code, 550, 'a sender on the list')
            (pathlib.Path(one) / 'bad.txt').write_text('other.test\n')
            server.reload()
            wait_until(lambda: deliver(server, sender='ann@spam.test').code == 250, 'the list is read again')
            (server.folder / 'rules/rules.toml').write_text(rules % other)
            server.reload()
            said = wait_until(lambda: re.search('not reloaded.*', server.log_text()), 'a word about the list elsewhere')[0]
            check('outside the folders that the server may read since its start: restart it' in said, said)
            equal(deliver(server, sender='ann@other.test').code, 550, 'the old rules')


RELOADS = 600


def test_f6_many_reloads_under_load_drop_no_session():
    with Server() as server:
        make_certificate(server.folder, prefix='other')
        fitting, other = ((server.folder / f'{name}.key').read_bytes() for name in ('cert', 'other'))
        stop = threading.Event()

        def send(_):
            codes = []
            with Smtp(server) as client:
                client.hello()
                while not stop.is_set():
                    codes.append(client.send_mail('ann@sender.test', ['alice@example.test']).code)
            return codes
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            running = [pool.submit(send, n) for n in range(4)]
            for n in range(RELOADS):
                (server.folder / 'cert.key').write_bytes(fitting if n // 10 % 2 else other)  # which does not fit
                server.reload()
                time.sleep(0.01)
            stop.set()
            codes = [each.result() for each in running]
        check(all(set(each) == {250} and len(each) > 10 for each in codes), f'replies: {[collections.Counter(each) for each in codes]}')
        equal(mailbox_count(server), sum(map(len, codes)), 'messages')
        bad = server.log_text().count('not reloaded')
        good = server.log_text().count('reloaded') - bad
        # Signals that come while one is being obeyed are one.
        check(good > RELOADS / 20 and bad > RELOADS / 20, f'{good} reloads and {bad} that failed')
        with Smtp(server) as client:
            client.hello()
            client.expect('STARTTLS', 220)
            client.start_tls()
            client.hello()


def test_f7_a_worker_killed_costs_at_most_a_451():
    with Server(zone={('sender.test', 'TXT'): 'v=spf1 ip4:198.51.100.0/24 -all'}) as server:
        check(wait_until(server.workers, 'scan workers'), 'no workers')
        codes, stop = [], threading.Event()

        def send(_):
            while not stop.is_set():
                codes.append(deliver(server).code)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            running = [pool.submit(send, n) for n in range(3)]
            for _ in range(15):
                time.sleep(0.1)
                for pid in server.workers()[:1]:
                    try:
                        # Not SIGSEGV, which a sanitizer build would report as a fault of its own.
                        os.kill(pid, signal.SIGABRT if random.random() < 0.5 else signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            stop.set()
            for each in running:
                each.result()
        check(set(codes) <= {250, 451}, f'{set(codes)}')
        check(codes.count(250) > len(codes) // 2, f'{codes.count(250)} of {len(codes)} accepted')
        check(server.process.poll() is None, 'the front died')
        wait_until(lambda: deliver(server).code == 250, 'mail afterwards')
        equal(mailbox_count(server), codes.count(250) + 1, 'messages')


class ScanFaults(Server):
    """The release binary with scan_faults.c under it and its workers."""

    def __init__(self):
        super().__init__(binary=RELEASE_BINARY, zone={('sender.test', 'TXT'): 'v=spf1 ip4:198.51.100.0/24 -all'})
        # In the state folder, where the front may still read when it starts a worker.
        library = self.folder / 'state/scan_faults.so'
        subprocess.run(['clang-19', '-shared', '-fPIC', '-O2', '-o', str(library), str(HERE / 'scan_faults.c')], check=True)
        self.environment = {'LD_PRELOAD': str(library)}

    def crashes(self):
        return json.loads(self.command('status', '--json').stdout)['scan_crashes']

    def busy_workers(self):
        """Those that have computed for 0.2 s or more: a worker that starts takes 0.02 s."""
        return [pid for pid in self.workers() if cpu_ticks(pid) * 5 >= os.sysconf('SC_CLK_TCK')]


def cpu_ticks(pid):
    """Of user and system; 0 for a process that is gone."""
    try:
        return sum(int(field) for field in pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[11:13])
    except OSError:
        return 0


# What DKIM would have found in a message, if it had been looked at.
DKIM_FACTS = ('dkim.pass', 'dkim.results', 'dkim.signatures', 'dkim.weak')


def expect_only_dkim_unknown(record, *reasons):
    facts = record['facts']
    found = {name: facts.get(name) for name in DKIM_FACTS}
    check(any(found == {name: {'unknown': reason} for name in DKIM_FACTS} for reason in reasons), f'the facts of DKIM are {found}')
    equal(facts['spf.result'], 'pass', 'the check that did not fail')


def test_f7_a_message_that_crashes_three_fresh_workers_is_refused_and_kept():
    octets = b'X-Scan-Fault: segv\r\n' + SIGNATURE + MESSAGE
    name = hashlib.sha256(octets).hexdigest()
    with ScanFaults() as server:
        reply = deliver(server, message=octets)
        equal((reply.code, reply.enhanced), (554, '5.6.0'), 'the reply')
        record = server.explain(reply.id)
        equal((record['verdict'], record['rule'], record['stage']), ('reject', 'builtin:worker', 'end'), 'the record')
        equal(record['facts'].get('message.poisonous'), True, 'message.poisonous')
        expect_only_dkim_unknown(record, 'its input crashes the scan worker')
        sample = server.folder / f'state/poison/{name}.eml'
        equal(sample.read_bytes(), octets, 'the sample')
        check(f'a message crashes the scan workers and is refused: message {name} has crashed the check dkim in three fresh workers; '
              f'the sample is {sample}' in server.log_text(), 'the administrator is not told')
        crashes = server.crashes()
        check(3 <= crashes <= 5, f'{crashes} workers crashed')
        reply = deliver(server, sender='eve@other.test', message=octets, client='192.0.2.9')
        equal((reply.code, reply.enhanced), (554, '5.6.0'), 'the same octets from somebody else')
        equal(server.crashes(), crashes, 'crashes after them')
        reply = deliver(server)
        equal(reply.code, 250, 'other mail')
        equal((server.explain(reply.id)['facts']['spf.result'], mailbox_count(server)), ('pass', 1), 'what was found in it')


def test_f7_what_a_killed_or_endless_worker_leaves_behind_is_unknown():
    octets = b'X-Scan-Fault: spin\r\n' + SIGNATURE + MESSAGE
    with ScanFaults() as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        running, killed = pool.submit(deliver, server, message=octets), 0
        while not running.done():
            for pid in server.busy_workers():
                os.kill(pid, signal.SIGKILL)
                killed += 1
            time.sleep(0.02)
        reply = running.result()
        equal(reply.code, 250, 'a message whose workers are killed')
        expect_only_dkim_unknown(server.explain(reply.id), 'the scan worker was killed')
        check(killed >= 4, f'{killed} workers were killed')
        reply = deliver(server, message=octets)
        equal(reply.code, 250, 'a message that is never done with')
        # Which of its two budgets is spent first, the machine's other work decides.
        expect_only_dkim_unknown(server.explain(reply.id), 'the scan worker used too much CPU', 'the scan worker took too long')
        check(not list((server.folder / 'state').glob('poison/*')), 'the message is called poison')
        equal(mailbox_count(server), 2, 'messages')


def test_f9_two_instances_on_one_store():
    with Server() as server:
        config = server.folder / 'second.toml'
        config.write_text(server.config.read_text())
        second = subprocess.run([BINARY, 'serve', '-c', str(config)], capture_output=True, text=True, timeout=60, cwd=server.folder)
        equal(second.returncode, 75, f'exit code of the second instance, with {second.stderr}')
        equal(second.stdout, '', 'what the second instance serves')
        check(f'the store {server.folder}/state is in use by process {server.pid()}' in second.stderr, f'message: {second.stderr}')
        equal(deliver(server).code, 250, 'the first instance')


def status(pid):
    return dict(line.split(':\t', 1) for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines() if ':\t' in line)


def test_f10_no_privileges_are_left():
    with Server() as server:
        front = status(server.pid())
        for kind in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            equal(int(front[kind], 16), 0, f'{kind} of the front')
        # Who it is: test_state.py; here only that it is one and the same in every way.
        equal(len(set(front['Uid'].split())), 1, 'uids of the front')
        equal(len(set(front['Gid'].split())), 1, 'gids of the front')
        equal(front['NoNewPrivs'].strip(), '1', 'NoNewPrivs of the front')
        # The spare may still be on its way into its sandbox.
        wait_until(lambda: server.workers() and all(status(pid)['Seccomp'].strip() == '2' for pid in server.workers()), 'Seccomp of all workers')
        for pid in server.workers():
            worker = status(pid)
            equal(int(worker['CapEff'], 16) | int(worker['CapPrm'], 16), 0, 'capabilities of a worker')
            equal(worker['NoNewPrivs'].strip(), '1', 'NoNewPrivs of a worker')
            sockets = [os.readlink(fd) for fd in pathlib.Path(f'/proc/{pid}/fd').iterdir()]
            check(sum(name.startswith('socket:') for name in sockets) <= 2, f'descriptors of a worker: {sockets}')
        core = int(re.search(r'Max core file size\s+(\d+|unlimited)', pathlib.Path(f'/proc/{server.pid()}/limits').read_text())[1] or 0)
        check(core == 0, 'core dumps are on')


def test_a_worker_can_open_start_and_trace_nothing():
    """The binary under test proves its own sandbox; of the release binary this runs in CI."""
    result = subprocess.run([BINARY, 'scan', '--self-test'], capture_output=True, text=True, timeout=60)
    equal(result.returncode, 0, f'exit code, with {result.stdout}{result.stderr}')
    for what in ('open', 'socket', 'execve', 'fork', 'ptrace'):
        check(re.search(rf'^{what}\b.*refused', result.stdout, re.M), f'{what}: {result.stdout}')


def test_sigterm_lets_a_session_finish():
    with Server() as server, Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        client.expect('RCPT TO:<alice@example.test>', 250)
        client.expect('DATA', 354)
        server.process.terminate()
        time.sleep(0.3)
        client.send(MESSAGE + b'.\r\n')
        code = client.reply().code
        check(code in (250, 421, 0), f'{code}')
        client.close()
        server.process.wait(40)
        equal(server.process.returncode, 0, 'exit code')
        try:
            socket.create_connection(('127.0.0.1', server.port()), 1).close()
            raise AssertionError('the port is still open')
        except OSError:
            pass
        server.start()
        equal(mailbox_count(server), 1 if code == 250 else 0, 'messages')
