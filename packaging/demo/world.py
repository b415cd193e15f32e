"""The made-up world of the demo: who sends, what the DNS says of them, and which messages they send.

Documentation networks (RFC 5737, RFC 3849) stand for hosts of the Internet. Nothing here leaves the machine.
"""
import dataclasses
import ipaddress
import pathlib
import re
import subprocess
import tomllib

DOMAIN = 'example.test'
DEMO_LIST = 'bl.demo.test'


@dataclasses.dataclass
class Host:
    """A host that sends. `reverse` is its PTR; None: it has none. It greets with `helo`."""
    address: str
    helo: str
    reverse: str | None = ''

    def __post_init__(self):
        if self.reverse == '':
            self.reverse = self.helo


# By name, as the messages below refer to them.
HOSTS = {
    'bakery': Host('192.0.2.10', 'mx.bakery.example'),
    'letters': Host('2001:db8:10::25', 'out.letters.example'),
    'partner': Host('192.0.2.30', 'mail.partner.example'),
    'school': Host('192.0.2.40', 'smtp.school.example'),
    'bank': Host('198.51.100.20', 'gate.bank.example'),
    'rivals': Host('198.51.100.30', 'mx.rivals.example'),
    'shop': Host('198.51.100.40', 'news.shop.example'),
    'forwarder': Host('198.51.100.50', 'relay.forwarder.example'),
    'nameless': Host('198.51.100.99', 'host.nameless.example', None),
    'mismatch': Host('198.51.100.98', 'mx.mismatch.example', 'dsl-98-100-51-198.isp.example'),
    'worst': Host('203.0.113.66', 'mx.cheap-pills.example'),
    'bad': Host('203.0.113.67', 'mx.casino.example'),
    'odd': Host('203.0.113.68', 'mx.bulk.example'),
    'stolen': Host('203.0.113.70', 'mail.hijacked.example'),
    'zombie': Host('203.0.113.80', 'pc-80.isp.example', 'dyn-80.113.0.203.isp.example'),
    'liar': Host('203.0.113.81', 'mx.example.test', 'dyn-81.113.0.203.isp.example'),
    'bare': Host('203.0.113.82', '203.0.113.82', 'dyn-82.113.0.203.isp.example'),
    'literal': Host('203.0.113.83', '[192.0.2.1]', None),
    'scanner': Host('203.0.113.90', 'scan.research.example'),
}
# What each domain publishes. `~` where it cannot say for sure.
SPF = {
    'bakery.example': 'v=spf1 ip4:192.0.2.10 -all',
    'letters.example': 'v=spf1 ip6:2001:db8:10::/64 -all',
    'partner.example': 'v=spf1 include:_spf.partner.example -all',
    '_spf.partner.example': 'v=spf1 ip4:192.0.2.30 ~all',
    'school.example': 'v=spf1 mx -all',
    'bank.example': 'v=spf1 ip4:198.51.100.20 -all',
    'rivals.example': 'v=spf1 a:mx.rivals.example -all',
    'shop.example': 'v=spf1 ip4:198.51.100.40 ?all',
    'soft.example': 'v=spf1 ip4:192.0.2.200 ~all',
    'typo.example': 'v=spf1 ipv4:192.0.2.10 -all',
    'loop.example': 'v=spf1 include:loop.example -all',
    'everyone.example': 'v=spf1 +all',
    'cheap-pills.example': 'v=spf1 ip4:203.0.113.0/24 -all',
    'casino.example': 'v=spf1 ip4:203.0.113.67 -all',
    'bulk.example': 'v=spf1 ip4:203.0.113.68 -all',
    'visitor.example': 'v=spf1 ip4:127.0.0.0/8 ip6:::1 -all',
}
NULL_MX = ['no-mail.example']
ZEN = 'zen.spamhaus.org'  # the demo's own copy: nobody outside is asked
LISTED = [
    (DEMO_LIST, '203.0.113.66', '127.0.0.9'), (DEMO_LIST, '203.0.113.67', '127.0.0.2'), (DEMO_LIST, '203.0.113.68', '127.0.0.10'),
    (ZEN, '203.0.113.70', '127.0.0.9'), (ZEN, '203.0.113.70', '127.0.0.2'),
    (ZEN, '203.0.113.80', '127.0.0.4'), (ZEN, '203.0.113.80', '127.0.0.11'), (ZEN, '203.0.113.82', '127.0.0.10'),
]
# (domain, selector, bits of its RSA key); a key that is too short, and one that is not published.
DKIM_KEYS = [('bakery.example', 'may', 2048), ('partner.example', 'p1', 2048), ('letters.example', 'l', 2048), ('shop.example', 's', 2048),
             ('school.example', 'old', 768), ('bank.example', 'gone', 2048)]
UNPUBLISHED = {('bank.example', 'gone')}


@dataclasses.dataclass
class Mail:
    """One seeded message. sign: (domain, selector) of its DKIM signature; damage: what happens to it after signing."""
    host: str
    sender: str
    recipients: tuple
    subject: str
    author: str = ''
    sign: tuple = ()
    damage: bytes = b''
    how: str = 'data'      # data, bdat, tls; or a raw way that seed.py knows
    fields: tuple = ()     # further header fields, or replacements of those that are made


ALICE, BOB = (f'alice@{DOMAIN}',), (f'bob@{DOMAIN}',)
BAKERY, PARTNER = ('bakery.example', 'may'), ('partner.example', 'p1')
MAILS = [
    # Clean mail.
    Mail('bakery', 'orders@bakery.example', ALICE, 'Your bread is ready', sign=BAKERY),
    Mail('bakery', 'orders@bakery.example', BOB, 'Your cake is ready', sign=BAKERY, how='tls'),
    Mail('bakery', 'news@bakery.example', ALICE + BOB, 'Open on Sunday again', sign=BAKERY),
    Mail('letters', 'carla@letters.example', ALICE, 'A letter over IPv6', sign=('letters.example', 'l'), how='tls'),
    Mail('letters', 'carla@letters.example', (f'alice+garden@{DOMAIN}',), 'Re: tomatoes', sign=('letters.example', 'l')),
    Mail('partner', 'jobs@partner.example', BOB, 'Contract, second draft', sign=PARTNER, how='bdat'),
    Mail('partner', 'jobs@partner.example', (f'postmaster@{DOMAIN}',), 'Is your server well?', sign=PARTNER),
    Mail('school', 'office@school.example', ALICE, 'Parents evening on Thursday'),
    Mail('shop', 'news@shop.example', ALICE + BOB, 'Our spring offers', sign=('shop.example', 's'),
         fields=('List-Id: <news.shop.example>', 'List-Unsubscribe: <https://shop.example/u/1>')),
    Mail('bank', '', ALICE, 'Undelivered mail returned to sender', author='MAILER-DAEMON@bank.example'),
    Mail('rivals', 'sales@rivals.example', BOB, 'Why not buy from us?'),
    Mail('bakery', 'orders@bakery.example', BOB, 'Invoice 2041', sign=BAKERY, how='bdat'),
    # Signatures that do not hold.
    Mail('bakery', 'orders@bakery.example', ALICE, 'A footer was added on the way', sign=BAKERY, damage=b'-- \r\nScanned by the relay\r\n'),
    Mail('forwarder', 'list@forwarder.example', BOB, 'Forwarded: Open on Sunday again', author='news@bakery.example', sign=BAKERY,
         damage=b'_____\r\nThe baking list\r\n'),
    Mail('school', 'office@school.example', BOB, 'Signed with a key of 768 bits', sign=('school.example', 'old')),
    Mail('bank', 'info@bank.example', ALICE, 'Signed with a key that nobody publishes', sign=('bank.example', 'gone')),
    # SPF that does not hold.
    Mail('zombie', 'security@bank.example', ALICE, 'Your account has been locked'),
    Mail('zombie', 'security@bank.example', BOB, 'Your account has been locked!!'),
    Mail('forwarder', 'ann@soft.example', ALICE, 'Sent through a forwarder'),
    Mail('shop', 'ann@shop.example', BOB, 'The policy is neutral about others'),
    Mail('forwarder', 'ann@typo.example', ALICE, 'The SPF record has a mistake in it'),
    Mail('forwarder', 'ann@loop.example', ALICE, 'The SPF record includes itself'),
    Mail('zombie', 'anyone@everyone.example', BOB, 'The SPF record allows everyone'),
    # Hosts that are listed.
    Mail('worst', 'deals@cheap-pills.example', ALICE, 'Pills'),
    Mail('worst', 'deals@cheap-pills.example', BOB, 'Pills, cheaper'),
    Mail('worst', 'deals@cheap-pills.example', (f'postmaster@{DOMAIN}',), 'Why am I blocked?'),
    Mail('stolen', 'offer@hijacked.example', BOB, 'From a hijacked network'),
    Mail('bad', 'win@casino.example', ALICE, 'You have won'),
    Mail('bad', 'win@casino.example', ALICE + BOB, 'You have won again'),
    Mail('odd', 'mailing@bulk.example', BOB, 'One list has a small doubt'),
    # Hosts that look odd.
    Mail('nameless', 'root@nameless.example', ALICE, 'From a host without a name'),
    Mail('mismatch', 'info@mismatch.example', BOB, 'From a host whose name points elsewhere'),
    Mail('liar', 'admin@example.test', ALICE, 'It says it is us'),
    Mail('bare', 'x@soft.example', BOB, 'Greets with a bare address'),
    Mail('literal', 'x@soft.example', ALICE, 'Greets with another address than its own'),
    # Senders that cannot be answered.
    Mail('nameless', 'x@does-not-exist.example', BOB, 'From a domain that does not exist'),
    Mail('forwarder', 'x@no-mail.example', ALICE, 'From a domain that takes no mail'),
    # What the server itself refuses.
    Mail('scanner', 'probe@research.example', (f'nobody@{DOMAIN}',), 'To a user that does not exist'),
    Mail('scanner', 'probe@research.example', ('someone@elsewhere.example',), 'Relay, please'),
    Mail('scanner', 'probe@research.example', (f'someone%elsewhere.example@{DOMAIN}',), 'Relay, please, the old way'),
    Mail('bakery', 'orders@bakery.example', (f'nobody@{DOMAIN}',) + ALICE, 'One of two recipients exists', sign=BAKERY),
    Mail('scanner', 'probe@research.example', ALICE, 'Line ends without a carriage return', how='bare_newline'),
    Mail('scanner', 'probe@research.example', ALICE, 'Went round in circles', how='many_hops'),
    Mail('scanner', 'probe@research.example', ALICE, 'Two authors', fields=('From: eve@research.example',)),
    Mail('scanner', 'probe@research.example', ALICE, '', how='http'),
    Mail('scanner', 'probe@research.example', ALICE, '', how='hello_and_goodbye'),
    Mail('scanner', 'probe@research.example', ALICE, '', how='hangs_up'),
]


def reverse_name(address):
    return ipaddress.ip_address(address).reverse_pointer


def listed_name(address, zone):
    return reverse_name(address).replace('.in-addr.arpa', '').replace('.ip6.arpa', '') + '.' + zone


def make_keys(folder):
    """The RSA keys of the senders, as PEM files DOMAIN.SELECTOR.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    for domain, selector, bits in DKIM_KEYS:
        path = folder / f'{domain}.{selector}.pem'
        if not path.exists():
            subprocess.run(['openssl', 'genrsa', '-traditional', '-out', str(path), str(bits)], check=True, stderr=subprocess.DEVNULL)


def public_key(path):
    import base64
    octets = subprocess.run(['openssl', 'rsa', '-in', str(path), '-pubout', '-outform', 'DER'], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout
    return base64.b64encode(octets).decode()


def list_zones(rules_folder):
    """The zones of the block lists that the shipped rules ask: the demo's DNS has its own, small ones."""
    zones = {}
    for path in sorted(pathlib.Path(rules_folder).rglob('*.toml')):
        for entry in tomllib.loads(path.read_text()).get('dnsbl', {}).values():
            zones[entry['zone'].rstrip('.')] = entry
    return zones


def txt(text):
    """TXT strings of at most 255 octets (RFC 1035 section 3.3.14)."""
    return ' '.join('"' + text[at:at + 250].replace('\\', '\\\\').replace('"', '\\"') + '"' for at in range(0, len(text), 250))


def zone_records(keys, rules_folder):
    """Everything the demo's DNS knows, as (name, type, value in zone file form)."""
    records = [(DOMAIN, 'MX', f'10 mx.{DOMAIN}.'), (f'mx.{DOMAIN}', 'A', '127.0.0.1'), (DOMAIN, 'TXT', txt('v=spf1 a:mx.example.test -all'))]
    domains = {'visitor.example': '127.0.0.1'}
    for host in HOSTS.values():
        kind = 'AAAA' if ':' in host.address else 'A'
        if host.reverse:
            records.append((reverse_name(host.address), 'PTR', host.reverse + '.'))
        # A host whose PTR is its own name resolves back to it; others name what is not theirs.
        if host.helo == host.reverse or host.reverse is None and host.helo.endswith('.example'):
            records.append((host.helo, kind, host.address))
        if host.helo.endswith('.example'):
            domains.setdefault(host.helo.partition('.')[2], host.address)
    for domain in list(SPF) + [mail.sender.partition('@')[2] for mail in MAILS]:
        if domain.endswith('.example') and domain != 'does-not-exist.example' and not domain.startswith('_'):
            domains.setdefault(domain, '192.0.2.200')
    for domain, address in domains.items():
        if domain in NULL_MX:
            records.append((domain, 'MX', '0 .'))
            continue
        kind = 'AAAA' if ':' in address else 'A'
        exchange = next((host.helo for host in HOSTS.values() if host.helo.endswith('.' + domain)), 'mx-in.' + domain)
        records += [(domain, kind, address), (domain, 'MX', f'10 {exchange}.')]
        if exchange.startswith('mx-in.'):
            records.append((exchange, kind, address))
    records += [(domain, 'TXT', txt(text)) for domain, text in SPF.items()]
    for domain, selector, _ in DKIM_KEYS:
        if (domain, selector) not in UNPUBLISHED:
            key = public_key(keys / f'{domain}.{selector}.pem')
            records.append((f'{selector}._domainkey.{domain}', 'TXT', txt(f'v=DKIM1; k=rsa; p={key}')))
    records.append((reverse_name('127.0.0.1'), 'PTR', 'visitor.example.'))
    records += [(listed_name(address, zone), 'A', code) for zone, address, code in LISTED]
    for zone, entry in {DEMO_LIST: {}, **list_zones(rules_folder)}.items():
        records += health_records(zone, entry)
    return list(dict.fromkeys(records))


def health_records(zone, entry):
    """The entries by which a list shows that it is well (RFC 5782 section 5)."""
    first = next(iter(entry.get('listed', {}).values()), '127.0.0.2')
    first = re.sub(r'-\d+', '', first[0] if isinstance(first, list) else first)  # the first code of a range
    if '.ip' in '.' + entry.get('of', 'client.ip'):
        return [(listed_name('127.0.0.2', zone), 'A', first), (listed_name('::ffff:7f00:2', zone), 'A', first)]
    return [(f'test.{zone}', 'A', first)]
