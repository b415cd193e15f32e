"""Memory of idle sessions, after EHLO, with and without TLS 1.3: PSS of all our processes."""
import resource
import socket
import ssl
import time

import lab

BOUND_KIB = {False: 8, True: 40}
BATCH = 50


def reply(connection):
    octets = b''
    while not (octets.endswith(b'\r\n') and octets.rstrip().split(b'\n')[-1][3:4] in (b' ', b'')):
        piece = connection.recv(4096)
        if not piece:
            raise OSError('closed')
        octets += piece
    return octets


def open_batch(port, count, context):
    """Sessions after EHLO; under TLS after STARTTLS and EHLO."""
    batch = [socket.create_connection(('127.0.0.1', port), 30) for _ in range(count)]
    for connection in batch:
        reply(connection)
        connection.sendall(b'EHLO client.sender.example\r\n')
    for index, connection in enumerate(batch):
        reply(connection)
        if context:
            connection.sendall(b'STARTTLS\r\n')
            if not reply(connection).startswith(b'220'):
                raise OSError('no STARTTLS')
            batch[index] = connection = context.wrap_socket(connection)
            connection.sendall(b'EHLO client.sender.example\r\n')
            reply(connection)
    return batch


def settled(group):
    """PSS once it has stopped moving."""
    last = group.pss_kib()
    for _ in range(20):
        time.sleep(0.5)
        now = group.pss_kib()
        if abs(now[0] - last[0]) < 64 + now[0] // 500:
            return now
        last = now
    return last


def bench_idle(arguments, results):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(arguments.sessions, hard - 1000)
    if wanted < arguments.sessions:
        print(f'# only {hard} descriptors are allowed here: {wanted} sessions')
    dns = lab.Dns([])
    try:
        for tls in (False, True):
            server = lab.Wicket(dns, lab.RULES, sessions=wanted + 100)
            server.start()
            held = []
            context = None
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.minimum_version = ssl.TLSVersion.TLSv1_3
            try:
                # What the first sessions bring in (pages of code, caches) is not theirs.
                held += open_batch(server.port, BATCH, context)
                before, start = settled(server.group), time.monotonic()
                while len(held) < wanted:
                    held += open_batch(server.port, min(BATCH, wanted - len(held)), context)
                took = time.monotonic() - start
                after = settled(server.group)
                each = (after[0] - before[0]) / (len(held) - BATCH)
                print(f'{len(held)} idle sessions {"with TLS 1.3" if tls else "without TLS"}: {before[0]} to {after[0]} KiB in '
                      f'{after[1]} processes, opened in {took:.0f} s', flush=True)
                results.bound(f'idle session {"with TLS 1.3" if tls else "without TLS"}, KiB', each, BOUND_KIB[tls], '{:.2f}')
            finally:
                for connection in held:
                    connection.close()
                server.stop()
    finally:
        dns.stop()
