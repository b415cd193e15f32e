"""A DNS server on loopback (UDP and TCP, one port) that answers from a table and can misbehave on request.

    zone = {('example.org', 'TXT'): ['v=spf1 -all'], ('1.2.0.192.in-addr.arpa', 'PTR'): ['mx.example.org']}
    server = DnsServer(zone); server.fault = 'servfail'; server.questions; server.stop()

Faults, for all names or (faults = {suffix: fault}) for those below a name: ok, servfail, refused, nxdomain, silent,
slow:SECONDS, truncate (the answer comes by TCP only), wrong_id (a forged answer first, then the right one), loop (a CNAME
to itself), wildcard:ADDRESS (that A record for every name), huge (a TXT answer of 60 KB by TCP), lame (no answer, not
authoritative, no error).
"""
import ipaddress
import socket
import struct
import threading

TYPES = {'A': 1, 'NS': 2, 'CNAME': 5, 'SOA': 6, 'PTR': 12, 'MX': 15, 'TXT': 16, 'AAAA': 28, 'TLSA': 52}
NAMES = {number: name for name, number in TYPES.items()}
UDP_LIMIT_OCTETS = 1232


def encode_name(name):
    octets = b''
    for label in name.rstrip('.').split('.'):
        if label:
            octets += bytes([len(label)]) + label.encode('latin-1')
    return octets + b'\0'


def encode_value(kind, value):
    """RDATA of a record given as text: TXT strings are cut at 255 octets, MX is 'PREFERENCE NAME'."""
    if kind == 'A':
        return ipaddress.IPv4Address(value).packed
    if kind == 'AAAA':
        return ipaddress.IPv6Address(value).packed
    if kind == 'MX':
        preference, name = value.split()
        return struct.pack('!H', int(preference)) + encode_name(name)
    if kind == 'TXT':
        octets = value.encode('latin-1')
        cuts = [octets[i:i + 255] for i in range(0, len(octets), 255)] or [b'']
        return b''.join(bytes([len(cut)]) + cut for cut in cuts)
    return encode_name(value)


def reverse_name(address):
    """The name whose PTR is asked for an address."""
    return ipaddress.ip_address(address).reverse_pointer


def listed_name(address, zone):
    """The name that asks a block list about an address."""
    reverse = ipaddress.ip_address(address).reverse_pointer
    return reverse.replace('.in-addr.arpa', '').replace('.ip6.arpa', '') + '.' + zone


class Question:
    """The first question of a message; raises ValueError or IndexError for what is none."""

    def __init__(self, message):
        self.id, flags, count = struct.unpack('!HHH', message[:6])
        if flags & 0x8000 or count != 1:
            raise ValueError('not a query')
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode('latin-1'))
            at += 1 + message[at]
        self.name = '.'.join(labels).lower()
        number, = struct.unpack('!H', message[at + 1:at + 3])
        self.kind = NAMES.get(number, str(number))
        self.octets = message[12:at + 5]  # as it came: the case of letters is the client's


class DnsServer:
    def __init__(self, zone=None, port=0, address='127.0.0.1'):
        self.zone = {}
        self.fault, self.faults = 'ok', {}
        self.questions, self.lock = [], threading.Lock()
        self.stopping = threading.Event()
        self.update(zone or {})
        while True:
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.udp.bind((address, port))
            self.address = self.udp.getsockname()
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.tcp.bind(self.address)
                break
            except OSError:  # the kernel's free UDP port is taken for TCP: try another
                self.udp.close()
                self.tcp.close()
                if port:
                    raise
        self.tcp.listen(64)
        for body in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=body, daemon=True).start()

    @property
    def forward(self):
        """As in `[dns] forward`."""
        return f'{self.address[0]}:{self.address[1]}'

    def update(self, zone):
        """Adds records; a value may be a text or a list of texts."""
        for (name, kind), values in zone.items():
            self.zone[name.lower().rstrip('.'), kind] = [values] if isinstance(values, str) else list(values)

    def fault_of(self, name):
        for suffix, fault in self.faults.items():
            if name == suffix or name.endswith('.' + suffix):
                return fault
        return self.fault

    def asked(self, suffix=''):
        """Questions so far for names below a suffix."""
        with self.lock:
            return [q for q in self.questions if q[0].endswith(suffix)]

    # ---- answers ----

    def message(self, question, code=0, records=(), flags=0x8580, identifier=None):
        """records: (name, kind, value). Without any a SOA tells how long the absence holds."""
        answers = b''.join(encode_name(name) + struct.pack('!HHIH', TYPES[kind], 1, 60, len(data)) + data
                           for name, kind, data in ((n, k, encode_value(k, v)) for n, k, v in records))
        authority, count = b'', 0
        if not records and code in (0, 3):
            zone = encode_name(question.name.partition('.')[2])
            data = encode_name('ns.test') + encode_name('root.test') + struct.pack('!IIIII', 1, 3600, 900, 86400, 60)
            authority, count = zone + struct.pack('!HHIH', 6, 1, 60, len(data)) + data, 1
        head = struct.pack('!HHHHHH', question.id if identifier is None else identifier, flags | code, 1, len(records), count, 0)
        return head + question.octets + answers + authority

    def honest(self, question):
        records, name = [], question.name
        for _ in range(8):
            if values := self.zone.get((name, question.kind)):
                return self.message(question, 0, records + [(name, question.kind, v) for v in values])
            if not (target := self.zone.get((name, 'CNAME'))):
                break
            records.append((name, 'CNAME', target[0]))
            name = target[0].lower().rstrip('.')
        exists = records or any(n == name or n.endswith('.' + name) for n, _ in self.zone)
        return self.message(question, 0 if exists else 3, records)

    def answers(self, message, by_tcp):
        """What is sent back, in order; empty for silence."""
        try:
            question = Question(message)
        except (ValueError, IndexError, struct.error):
            return []
        with self.lock:
            self.questions.append((question.name, question.kind))
        fault, _, argument = self.fault_of(question.name).partition(':')
        if fault == 'silent':
            return []
        if fault == 'slow' and self.stopping.wait(float(argument)):
            return []
        if fault in ('servfail', 'refused', 'nxdomain'):
            return [self.message(question, {'servfail': 2, 'refused': 5, 'nxdomain': 3}[fault])]
        if fault == 'lame':
            return [self.message(question, 0, [], flags=0x8000)]
        if fault == 'loop':
            return [self.message(question, 0, [(question.name, 'CNAME', question.name)])]
        if fault == 'wildcard':
            return [self.message(question, 0, [(question.name, 'A', argument)] if question.kind == 'A' else [])]
        if fault == 'huge':
            if not by_tcp:
                return [self.message(question, 0, [], flags=0x8780)]
            return [self.message(question, 0, [(question.name, 'TXT', 'x' * 59000)] if question.kind == 'TXT' else [])]
        answer = self.honest(question)
        if fault == 'wrong_id':
            forged = self.message(question, 0, [(question.name, 'A', '127.0.0.2')], identifier=(question.id + 1) & 0xffff)
            return [forged, answer]
        if not by_tcp and (fault == 'truncate' or len(answer) > UDP_LIMIT_OCTETS):
            return [self.message(question, 0, [], flags=0x8780)]
        return [answer]

    # ---- sockets ----

    def serve_udp(self):
        while not self.stopping.is_set():
            try:
                message, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            if self.fault_of('').startswith('slow') or any(f.startswith('slow') for f in self.faults.values()):
                threading.Thread(target=self.answer_udp, args=(message, peer), daemon=True).start()
            else:
                self.answer_udp(message, peer)

    def answer_udp(self, message, peer):
        for answer in self.answers(message, by_tcp=False):
            try:
                self.udp.sendto(answer, peer)
            except OSError:
                return

    def serve_tcp(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.answer_tcp, args=(connection,), daemon=True).start()

    def answer_tcp(self, connection):
        with connection:
            connection.settimeout(30)
            stream = connection.makefile('rb')
            try:
                while (head := stream.read(2)) and len(head) == 2:
                    message = stream.read(struct.unpack('!H', head)[0])
                    for answer in self.answers(message, by_tcp=True):
                        connection.sendall(struct.pack('!H', len(answer)) + answer)
            except OSError:
                return

    def stop(self):
        """Nothing answers afterwards: questions meet a closed port."""
        self.stopping.set()
        for listener in (self.udp, self.tcp):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()
