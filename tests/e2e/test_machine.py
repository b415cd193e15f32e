"""A machine that misbehaves under the server: a full disk, a slow disk, no memory, a clock that jumps (threats E5, F3, F5, F8)."""
import calendar
import contextlib
import datetime
import email.utils
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import (DOMAIN, MESSAGE, RELEASE_BINARY, Pop3, Server, Skip, Smtp, check, deliver, equal, wait_until)

HERE = pathlib.Path(__file__).resolve().parent
ALICE = f'alice@{DOMAIN}'
LINE = b'x' * 76 + b'\r\n'


def message(token, octets=1000):
    return MESSAGE + f'token {token}\r\n'.encode() + LINE * (octets // len(LINE)) + b'end\r\n'


def send(client, token, octets=1000):
    """The code that a message got; 0 if the connection ended."""
    try:
        return client.send_mail('ann@sender.test', [ALICE], message(token, octets)).code
    except OSError:
        return 0


def send_anew(server, token, octets=1000):
    with Smtp(server) as client:
        client.hello()
        return send(client, token, octets)


def tokens(server):
    """Those of all messages that are served; each must be whole."""
    found = []
    with Pop3(server) as pop:
        for number in range(1, pop.count() + 1):
            lines = pop.many(f'RETR {number}')
            check(lines[-1] == 'end', f'message {number} is not whole: {lines[-2:]}')
            found += [line.split()[1] for line in lines if line.startswith('token ')]
        pop.ask('QUIT')
    return found


def expect_all(server, acknowledged, refused=()):
    """All that was acknowledged is served; a refused message may have reached the disk, and comes again anyway."""
    found = tokens(server)
    missing = sorted(set(acknowledged) - set(found))
    check(not missing, f'{len(missing)} of {len(acknowledged)} acknowledged messages are missing: {missing[:3]}')
    check(set(found) <= set(acknowledged) | set(refused), f'what nobody sent: {sorted(set(found) - set(acknowledged))[:3]}')


class SmallDisk:
    """A tmpfs at `folder`, which can be filled and emptied."""

    def __init__(self, folder, mebibytes):
        folder.mkdir(mode=0o700, exist_ok=True)
        self.folder = folder
        mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={mebibytes}m,mode=0700', 'none', str(folder)], capture_output=True)
        if mounted.returncode:
            raise Skip('a tmpfs cannot be mounted here')

    def fill(self):
        with (self.folder / 'filler').open('ab', buffering=0) as filler:
            try:
                while True:
                    filler.write(b'\0' * 65536)
            except OSError:
                return

    def empty(self):
        (self.folder / 'filler').unlink()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(['umount', str(self.folder)], check=True)


def test_f3_a_full_disk_refuses_mail_for_now_and_recovers():
    server = Server(accounts=())
    with SmallDisk(server.folder / 'state', 256) as disk:
        try:
            server.add_account('alice')
            server.start()
            acknowledged, refusals = [], []
            for round_number, octets in enumerate((100_000, 300_000)):  # in the commit itself; in a file beside it
                with Smtp(server) as client:
                    client.hello()
                    equal(send(client, f'{round_number}.before', octets), 250, 'before the disk is full')
                    acknowledged.append(f'{round_number}.before')
                    disk.fill()
                    for number in range(1000):  # what the log has reserved may still be used
                        token = f'{round_number}.{number}'
                        code = send(client, token, octets)
                        if code != 250:
                            break
                        acknowledged.append(token)
                    refusals.append(code)
                    equal(client.ask('NOOP').code, 250, f'the session of a message refused with {code}')
                    expect_all(server, acknowledged, [token])
                    disk.empty()
                    emptied = time.monotonic()
                    token = f'{round_number}.after'
                    while (code := send_anew(server, token, octets)) != 250:
                        check(code in (451, 452), f'{code} while the disk recovers')
                        check(time.monotonic() < emptied + 10, 'not recovered within 10 s after space is back')
                        time.sleep(0.1)
                    print(f'full disk: mail again {time.monotonic() - emptied:.1f} s after space is back')
                    acknowledged.append(token)
            check(set(refusals) <= {451, 452} and 452 in refusals, f'refusals of a full disk: {refusals}')
            server.kill()
            server.start()
            expect_all(server, acknowledged, [f'{number}.{n}' for number in range(2) for n in range(1000)])
            check('disk' in server.log_text() or 'space' in server.log_text(), 'the log does not say why')
        finally:
            server.stop_processes()
    server.stop()


def send_until_refused(server, acknowledged, name, octets, most=2000):
    """Sends until the disk has no room; the code that the last message got."""
    with Smtp(server) as client:
        client.hello()
        for number in range(most):
            code = send(client, f'{name}.{number}', octets)
            if code != 250:
                return code
            acknowledged.append(f'{name}.{number}')
    raise AssertionError(f'{most} messages of {octets} octets found room')


def test_f3_a_disk_that_mail_has_filled_lets_owners_delete_and_comes_back_with_part_of_its_space():
    server = Server(accounts=())
    with SmallDisk(server.folder / 'state', 64) as disk:
        ballast = disk.folder / 'ballast'

        def delete(*numbers):
            with Pop3(server) as pop:
                gone = [pop.many(f'RETR {number}') for number in numbers]
                for number in numbers:
                    pop.expect(f'DELE {number}')
                pop.expect('QUIT')
            for token in (line.split()[1] for lines in gone for line in lines if line.startswith('token ')):
                acknowledged.remove(token)
        try:
            server.add_account('alice')
            server.start()
            acknowledged = []
            ballast.write_bytes(b'\0' * 10_000_000)
            equal(send_until_refused(server, acknowledged, 'full', 94_000), 452, 'the refusal of a full disk')
            check(len(acknowledged) * 94_000 > 20_000_000, f'only {len(acknowledged)} messages found room')
            delete(1, 2)
            server.add_account('bob')
            server.terminate()
            server.start()
            expect_all(server, acknowledged)
            delete(1)
            equal(send_until_refused(server, acknowledged, 'restarted', 94_000), 452, 'the refusal after a restart')
            ballast.unlink()
            emptied = time.monotonic()
            wait_until(lambda: send_anew(server, 'after', 94_000) == 250, 'mail once part of the space is back', 10)
            print(f'a disk full of mail: mail again {time.monotonic() - emptied:.1f} s after 10 of 64 MB are back')
            acknowledged.append('after')
            # Somebody else takes all that is left, and gives little of it back.
            send_until_refused(server, acknowledged, 'again', 94_000)
            disk.fill()
            server.terminate()
            server.start()
            expect_all(server, acknowledged)
            disk.empty()
            wait_until(lambda: not server.command('account', 'add', f'carol@{DOMAIN}', stdin='x\n', check_code=None).returncode,
                       'an account once space is back', 10)
            delete(1, 2)
            server.kill()
            server.start()
            expect_all(server, acknowledged)
            equal(server.command('verify').returncode, 0, 'verify')
        finally:
            server.stop_processes()
    server.stop()


class Machine(Server):
    """The release binary with faults.c under it; say() sets the faults."""

    def __init__(self, **options):
        super().__init__(binary=RELEASE_BINARY, **options)
        self.faults = self.folder / 'state/faults'
        library = self.folder / 'faults.so'
        subprocess.run(['clang-19', '-shared', '-fPIC', '-O2', '-o', str(library), str(HERE / 'faults.c')], check=True)
        self.environment = {'LD_PRELOAD': str(library), 'WICKET_FAULTS': str(self.faults)}

    def say(self, text):
        """Returns when it is in force; a restart forgets it."""
        whole = self.folder / 'state/faults.new'
        whole.write_text(text + '\n')
        whole.rename(self.faults)
        wait_until(lambda: not self.faults.exists() or self.process.poll() is not None, 'the faults to be read')


def longest(ask, times):
    """The longest of so many calls in a row, in seconds."""
    took = []
    for _ in range(times):
        start = time.monotonic()
        ask()
        took.append(time.monotonic() - start)
    return max(took)


CROWD = 640  # of 120,000 octets each: more than the 64 MiB that may wait for the disk


def test_f8_a_slow_disk_holds_up_those_who_wait_for_it_and_nobody_else():
    with Machine() as server, contextlib.ExitStack() as crowd:
        equal(deliver(server, message=message('first')).code, 250, 'a message')
        clients = []
        for number in range(CROWD):
            client = crowd.enter_context(Smtp(server, timeout=300))
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            client.expect(f'RCPT TO:<{ALICE}>', 250)
            if client.ask('DATA').code == 354:
                client.send(message(number, 120_000))
                clients.append((number, client))
        server.say('sync 2000')
        for _, client in clients:
            client.send(b'.\r\n')

        def greet():
            with Smtp(server) as client:
                client.hello()
                client.expect('NOOP', 250)

        def read():
            with Pop3(server) as pop:
                pop.expect('STAT')
                pop.many('TOP 1 0')
        greeting, reading = longest(greet, 40), longest(read, 20)
        codes = {number: client.reply().code for number, client in clients}
        server.say('')
        check(greeting < 1, f'EHLO and NOOP took {greeting:.2f} s while the disk is slow')
        check(reading < 1.5, f'a POP3 session took {reading:.2f} s while the disk is slow')
        taken = {str(number) for number, code in codes.items() if code == 250}
        check(set(codes.values()) <= {250, 451, 452}, f'{set(codes.values())}')
        check(len(taken) > CROWD / 2, f'only {len(taken)} of {CROWD} were taken')
        check(len(taken) < CROWD, 'nobody was sent away: the queue has no limit')
        server.kill()
        server.start()
        missing = taken - set(tokens(server))
        check(not missing, f'{len(missing)} of {len(taken)} acknowledged messages are missing')
        print(f'a disk that syncs in 2 s: EHLO and NOOP in {greeting:.2f} s, POP3 in {reading:.2f} s, {len(taken)} of {CROWD} taken')


def test_e5_allocations_that_fail_lose_no_acknowledged_message():
    """The session ends with 4xx, or the process ends and is started again."""
    acknowledged, codes, restarts = [], [], 0
    with Machine() as server:
        for cycle in range(30 if 'WICKET_LONG' in os.environ else 4):
            server.say(f'memory {(3000, 700, 20000, 5000)[cycle % 4]}')
            for number in range(40):
                token = f'{cycle}.{number}'
                try:
                    with Smtp(server, timeout=20) as client:
                        client.hello()
                        code = send(client, token, (500, 30_000, 200_000)[number % 3])
                        codes.append(code)
                        if code == 250:
                            acknowledged.append(token)
                except (OSError, AssertionError):
                    codes.append(0)
                if server.process.poll() is not None:
                    break
            server.say('')
            if server.process.poll() is None:
                wait_until(lambda: deliver(server, message=message(f'{cycle}.well')).code == 250, 'mail once memory is back')
            else:
                # A library of C may go on with the null pointer that it got: that ends the process too.
                ends = (-signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV, 69, 70, 75)
                check(server.process.returncode in ends, f'exit {server.process.returncode}')
                if server.process.returncode == -signal.SIGSEGV:
                    print(f'no memory: {server.log_text()[-3000:]}')
                restarts += 1
                server.kill_group()
                server.faults.unlink(missing_ok=True)
                server.start()
        refused = [f'{cycle}.{n}' for cycle in range(30) for n in [*range(40), 'well']]
        expect_all(server, acknowledged, refused)
        check(not any(500 <= code for code in codes), f'a permanent refusal for want of memory: {set(codes)}')
        check(codes.count(250) > 10, f'only {codes.count(250)} of {len(codes)} were taken')
        check(len(codes) > codes.count(250), 'no allocation failed')
        server.kill()
        server.start()
        expect_all(server, acknowledged, refused)
        equal(server.command('verify').returncode, 0, 'verify')
        print(f'no memory: {len(codes)} messages, {codes.count(250)} taken, {restarts} restarts, none missing')


YEARS = 10 * 365 * 86400


def test_f5_a_clock_that_jumps_ends_no_session_and_renames_no_message():
    with Machine() as server:
        equal(deliver(server, message=message('before')).code, 250, 'before')
        with Smtp(server) as client, Pop3(server) as pop:
            client.hello()
            names = pop.many('UIDL')
            for jump in (YEARS, -YEARS, 3600, -3600, 0):
                server.say(f'clock {jump}')
                want = time.gmtime(time.time() + jump).tm_year
                year = wait_until(lambda: (lambda reply: reply if reply.code == 250 else None)(
                    client.send_mail('ann@sender.test', [ALICE], message(f'at {jump}'))), 'mail')
                record = server.explain(year.id)
                check(abs(int(record['time'][:4]) - want) <= 1, f'the time of the record is {record["time"]}')
                equal(client.ask('NOOP').code, 250, f'the session after a jump of {jump} s')
                pop.expect('NOOP')
            pop.expect('QUIT')
        with Pop3(server) as pop:
            now = pop.many('UIDL')
            equal(now[:1], names, 'the name of the first message')
            equal(len({line.split()[1] for line in now}), 6, 'names')
            equal([n for line in pop.messages() for n in re.findall(r'token at (\S+)', line)],
                  [str(jump) for jump in (YEARS, -YEARS, 3600, -3600, 0)], 'the order of the messages')


# Where calendars and counters of seconds turn: the moment, and the dates before and after it.
TURNS = [((2028, 2, 29, 0, 0, 0), '2028-02-28T23:59:5', '2028-02-29T00:00:0'),
         ((2038, 1, 19, 3, 14, 8), '2038-01-19T03:14:0', '2038-01-19T03:14:1')]
TURN_LEAD_SECONDS = 5


def test_f5_a_leap_day_and_the_end_of_32_bits_are_moments_like_others():
    with Machine() as server:
        sent = []

        def send_and_look(client):
            """The time of the record of one more message, which its Received field tells too."""
            token = str(len(sent))
            reply = client.send_mail('ann@sender.test', [ALICE], message(token))
            equal(reply.code, 250, f'message {token}')
            sent.append(token)
            told = server.explain(reply.id)['time']
            with Pop3(server) as pop:
                text = '\r\n'.join(pop.many(f'TOP {pop.count()} 0'))
            received = email.utils.parsedate_to_datetime(re.search(r'Received: [^;]*;\s*(.*)', text)[1])
            check(abs((datetime.datetime.fromisoformat(told.replace('Z', '+00:00')) - received).total_seconds()) <= 1, f'{told} and {received}')
            return told
        with Smtp(server) as client:
            client.hello()
            for moment, before, after in TURNS:
                server.say(f'clock {calendar.timegm(moment) - TURN_LEAD_SECONDS - int(time.time())}')
                first = wait_until(lambda: (lambda told: told if told.startswith(before[:10]) else None)(send_and_look(client)), f'{before}')
                check(first.startswith(before), f'the first message came at {first}, not on {before}')
                last = wait_until(lambda: (lambda told: told if told.startswith(after) else None)(send_and_look(client)), f'{after}')
                check(first < last, f'{first} and {last}')
                equal(client.ask('NOOP').code, 250, f'the session after {after}')
        with Pop3(server) as pop:
            names = pop.many('UIDL')
        server.terminate()
        server.start()
        expect_all(server, sent)
        with Pop3(server) as pop:
            equal(pop.many('UIDL'), names, 'the names of the messages after a restart')
