// Names in Unicode as keys: two spellings of one name give the same octets. Names of ASCII only cost nothing
// more than lower case. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace wicket {

/// A domain with each label in ASCII (RFC 5890 section 2.3.2.1: a U-label becomes its A-label), in lower
/// case. What IDNA does not allow comes back in ASCII lower case only.
std::string ascii_domain(std::string_view domain);

/// An address whose domain is as ascii_domain() makes it; the local part stays. ASCII comes back as it is.
/// RFC 8616 section 4: what is looked up in the DNS, or compared, is the A-label.
std::string ascii_domain_address(std::string_view address);

/// The full case folding of Unicode, in NFC. What is no UTF-8 comes back in ASCII lower case only.
std::string folded_name(std::string_view name);

}  // namespace wicket
