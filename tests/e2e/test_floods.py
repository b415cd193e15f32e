"""Threats of too much: slow clients, many connections, large messages at once, no descriptors left."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import threading
import time

from harness import MESSAGE, RELEASE_BINARY, REPLY_LIMIT_SECONDS, Client, Server, Smtp, check, deliver, equal, mailbox_count, wait_until


def test_a7_fewer_errors_are_borne_while_connections_are_scarce():
    with Server([{'service': 'smtp', 'limits': {'total': 5, 'errors_under_stress': 2}}]) as server:
        def errors_borne():
            with Smtp(server) as client:
                client.hello()
                for borne in range(30):
                    if client.ask('NONSENSE').code == 421:
                        return borne
                return 30
        with Smtp(server), Smtp(server), Smtp(server):
            equal(errors_borne(), 2, 'errors while four of five places are taken')
        wait_until(lambda: errors_borne() == 20, 'the usual number when there is room again')


def test_e1_slow_clients_are_hung_up_on_by_a_deadline():
    """The absolute deadlines: 30 s for a TLS handshake, 15 s for a command that has begun, 500 octets a second over 60 s of data."""
    with Server() as server:
        def stall_in_tls():
            with Smtp(server, timeout=60) as client:
                client.hello()
                client.expect('STARTTLS', 220)
                client.send(b'\x16\x03\x01\x02\x00')
                start = time.monotonic()
                check(client.closed(), 'a stalled TLS handshake is kept')
                return time.monotonic() - start

        def trickle_in_data():
            with Smtp(server, timeout=1) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.expect('DATA', 354)
                start = time.monotonic()
                while time.monotonic() - start < 100:
                    check(client.send_softly(b'x'), 'closed without a reply')
                    try:
                        return time.monotonic() - start, client.reply()
                    except socket.timeout:
                        continue
                raise AssertionError('one octet a second is taken for 100 s')

        def trickle_in_a_command():
            with Smtp(server, timeout=1) as client:
                start = time.monotonic()
                while time.monotonic() - start < 60 and client.send_softly(b'x'):
                    try:
                        equal(client.reply().code, 421, 'the end of a command that trickles')
                        break
                    except socket.timeout:
                        continue
                return time.monotonic() - start
        with concurrent.futures.ThreadPoolExecutor() as pool:
            tls, data, command = pool.submit(stall_in_tls), pool.submit(trickle_in_data), pool.submit(trickle_in_a_command)
            check(tls.result() < 35, f'the handshake was given {tls.result():.0f} s')
            took, reply = data.result()
            check(took < 90, f'the data was given {took:.0f} s')
            check(command.result() < 25, f'a command was given {command.result():.0f} s')
        equal((reply.code, reply.enhanced), (421, '4.4.2'), 'the last word')
        record = server.explain(reply.id)
        equal((record['verdict'], record['rule'], record['stage'], record['reply']['code']), ('defer', 'builtin:limit', 'data', 421), 'record')
        equal([(r['address'], r['verdict'], r['reply']['code']) for r in record['recipients']], [('alice@example.test', 'defer', 421)], 'rows')
        check(f'421 4.4.2 Too slow; from=<ann@sender.test> to=<alice@example.test> proto=ESMTP helo=<client.sender.test> id={reply.id}\n'
              in server.log_text(), 'no line in the log')
        equal(mailbox_count(server), 0, 'messages')


def test_e1_idle_sessions_do_not_keep_others_waiting():
    with Server([{'service': 'smtp', 'limits': {'total': 2000}}, {'service': 'pop3'}]) as server:
        idle = [Client(server) for _ in range(500)]
        try:
            start = time.monotonic()
            equal(deliver(server, client=None).code, 250, 'mail beside 500 idle sessions')
            check(time.monotonic() - start < 10, 'mail took more than 10 s')
        finally:
            for client in idle:
                client.close()


def proxied(server, address, port=40000):
    """A session whose client address came by PROXY v1."""
    client = Smtp(server, banner=False)
    client.send(f'PROXY TCP4 {address} 192.0.2.1 {port} 25\r\n')
    return client, client.reply()


def test_e2_limits_per_address_network_and_in_total():
    limits = {'per_ip': 3, 'per_network': 5, 'total': 12}
    with Server([{'service': 'smtp', 'proxy': ['127.0.0.0/8'], 'limits': limits}, {'service': 'pop3'}]) as server:
        held = []
        try:
            def codes(addresses):
                found = []
                for address in addresses:
                    client, reply = proxied(server, address)
                    found.append(reply.code)
                    if reply.code == 220:
                        held.append(client)
                    else:
                        client.close()
                return found
            equal(codes(['203.0.113.1'] * 5), [220] * 3 + [421] * 2, 'one address')
            equal(codes(['203.0.113.2', '203.0.113.3', '203.0.113.4']), [220, 220, 421], 'one network')
            equal(codes([f'198.51.{i}.1' for i in range(10)]), [220] * 7 + [421] * 3, 'all together')
            held.pop().close()
            wait_until(lambda: codes(['192.0.2.77']) == [220], 'a place after one has gone')
        finally:
            for client in held:
                client.close()


def test_e2_a_flood_of_connections_leaves_room_for_mail():
    with Server([{'service': 'smtp', 'proxy': ['127.0.0.0/8'], 'limits': {'total': 200}}, {'service': 'smtp'}, {'service': 'pop3'}]) as server:
        def flood(number):
            for i in range(150):
                try:
                    with Client(server, timeout=5) as client:
                        client.send_softly(f'PROXY TCP4 203.0.{number}.{i} 192.0.2.1 4000 25\r\n')
                        if i % 3:
                            client.line()
                except OSError:
                    pass
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            running = [pool.submit(flood, n) for n in range(8)]
            for _ in range(5):
                start = time.monotonic()
                with Smtp(server, index=1) as client:
                    client.hello()
                    equal(client.send_mail('ann@sender.test', ['alice@example.test']).code, 250, 'mail in the flood')
                check(time.monotonic() - start < 10, 'mail took more than 10 s in the flood')
            for each in running:
                each.result()


MIB = 1 << 20
# 16 MiB of messages in memory and 64 MiB in the spool, of all sessions together.
E3_LIMITS = {'memory': '16M', 'spool': '64M'}
# What sessions, reads and writes may take beside the messages themselves.
E3_SLACK_OCTETS = 32 * MIB


def held_octets(server):
    """What open messages take: (memfds, unnamed files of the spool)."""
    memory = spool = 0
    for entry in pathlib.Path(f'/proc/{server.pid()}/fd').iterdir():
        try:
            target, size = os.readlink(entry), entry.stat().st_size
        except OSError:
            continue  # closed meanwhile
        memory += size if target.startswith('/memfd:') else 0
        spool += size if '/state/spool/' in target else 0
    return memory, spool


def large_message(octets):
    line = b'x' * 78 + b'\r\n'
    return (MESSAGE + line * (octets // len(line) + 1))[:octets - 2] + b'\r\n'


def hold_until_refused(server, stack, octets):
    """Sessions that send a message of this size without an end, one after the other; those that found room, and the refusal."""
    held, message = [], large_message(octets)
    for _ in range(200):
        client = stack.enter_context(Smtp(server))
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        client.expect('RCPT TO:<alice@example.test>', 250)
        client.send_softly(f'BDAT {octets}\r\n'.encode() + message)
        reply = client.reply()
        if reply.code != 250:
            return held, reply
        held.append(client)
    raise AssertionError(f'200 open messages of {octets} octets found room')


def send_at_once(server, count, octets, growth):
    """As many messages by DATA, whose last octets are sent when all others are there; their replies."""
    barrier, message = threading.Barrier(count + 1), large_message(octets)

    def send(_):
        with Smtp(server, timeout=120) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            client.expect('RCPT TO:<alice@example.test>', 250)
            client.expect('DATA', 354)
            client.send(message)
            barrier.wait(60)
            client.send(b'.\r\n')
            return client.reply()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        running = [pool.submit(send, n) for n in range(count)]
        barrier.wait(60)
        while not all(each.done() for each in running):
            growth()
            time.sleep(0.02)
        return [each.result() for each in running]


def test_e3_many_large_messages_at_once_stay_within_bounds():
    # The memory of a sanitizer build says nothing.
    with Server([{'service': 'smtp', 'limits': E3_LIMITS}, {'service': 'pop3'}], binary=RELEASE_BINARY) as server:
        equal(deliver(server, client=None, message=large_message(4 * MIB)).code, 250, 'a large message')
        before, peak, taken = server.resident_kib(), 0, 1

        def growth():
            nonlocal peak
            memory, _ = held_octets(server)
            peak = max(peak, memory + (server.resident_kib() - before) * 1024)
        for octets, room in ((8 * MIB, (0, 64 * MIB)), (512 << 10, (16 * MIB, 0))):
            with contextlib.ExitStack() as stack:
                held, refusal = hold_until_refused(server, stack, octets)
                growth()
                equal((refusal.code, refusal.enhanced), (452, '4.3.1'), 'what finds no room')
                equal(len(held), sum(room) // octets, f'open messages of {octets} octets')
                # The last octets of each may wait for more to be written.
                check(all(most * 0.9 <= now <= most for now, most in zip(held_octets(server), room)), f'{held_octets(server)} of {room}')
                if octets == 8 * MIB:
                    equal(deliver(server, client=None).code, 250, 'a small message beside them')
                    taken += 1
                with Smtp(server) as client:
                    client.hello()
                    equal(client.ask(f'MAIL FROM:<ann@sender.test> SIZE={octets}').enhanced, '4.3.1', 'one whose size is told')
                equal(held[0].ask('BDAT 0 LAST').code, 250, 'the first of them')
                taken += 1
                more, _ = hold_until_refused(server, stack, octets)
                equal(len(more), 1, 'what finds room then')
            wait_until(lambda: held_octets(server) == (0, 0), 'their octets to be given back')
        replies = send_at_once(server, 24, 8 * MIB, growth)
        codes = [reply.code for reply in replies]
        equal(set(codes), {250, 452}, '24 of 8 MiB where there is room for eight')
        equal({reply.enhanced for reply in replies if reply.code == 452}, {'4.3.1'}, 'their refusals')
        equal(mailbox_count(server), taken + codes.count(250), 'messages')
        bound = 16 * MIB + E3_SLACK_OCTETS
        check(peak < bound, f'{peak >> 20} MiB of memory for messages and sessions, of at most {bound >> 20}')
        print(f'large messages: {codes.count(250)} of 24 taken at once, {peak >> 20} MiB of memory at most')


def test_e4_no_descriptors_left_is_survived():
    # UBSan's own checks need descriptors, and take a process without them for a broken one.
    with Server(nofile=256, binary=RELEASE_BINARY) as server, Smtp(server) as early:
        early.hello()
        held = []
        try:
            for _ in range(400):
                client = Client(server, timeout=5)
                held.append(client)
            time.sleep(0.5)
            before = server.cpu_seconds()
            time.sleep(2)
            check(server.cpu_seconds() - before < 1, 'the acceptor spins when descriptors are out')
            # Connections take half of them, so that the store, the DNS and the workers have theirs.
            used = len(os.listdir(f'/proc/{server.pid()}/fd'))
            check(used < 220, f'{used} descriptors are in use')
            for message in (MESSAGE, MESSAGE + b'x' * 70 * 60_000):
                equal(early.send_mail('ann@sender.test', ['alice@example.test'], re.sub(rb'(x{70})', rb'\1\r\n', message)).code, 250,
                      'mail of a session that was there before the flood')
            check('open files' not in server.log_text(), server.log_text()[-2000:])
            equal(len(server.log()), 2, 'records that are shown meanwhile')
        finally:
            for client in held:
                client.close()
        wait_until(lambda: delivered(server), 'mail after the flood', REPLY_LIMIT_SECONDS)


def test_e4_the_control_socket_does_not_spin_without_descriptors():
    with Server(nofile=256, binary=RELEASE_BINARY) as server:
        held = []
        try:
            for _ in range(400):
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                held.append(client)
                try:
                    client.connect(str(server.folder / 'state/control.sock'))
                except BlockingIOError:
                    time.sleep(0.01)  # the queue of the socket is full
            time.sleep(0.5)
            before = server.cpu_seconds()
            time.sleep(2)
            check(server.cpu_seconds() - before < 0.2, 'the control socket spins when descriptors are out')
        finally:
            for client in held:
                client.close()
        wait_until(lambda: delivered(server), 'mail afterwards', REPLY_LIMIT_SECONDS)


def delivered(server):
    try:
        return deliver(server).code == 250
    except (OSError, AssertionError):
        return False
