// The charsets of mail that mail/charset.hpp does not know itself, by iconv. Its tables are files: all are
// loaded when the object is made, which is before the sandbox closes. One thread.
#pragma once

#include "mail/charset.hpp"

#include <memory>

namespace wicket {

class IconvCharsets : public CharsetDecoder {
public:
    IconvCharsets();
    ~IconvCharsets() override;

    std::optional<std::string> decode(std::string_view charset, std::string_view octets) const override;
    /// How many charsets there are tables for.
    std::size_t size() const;

private:
    struct Tables;
    std::unique_ptr<Tables> tables_;
};

}  // namespace wicket
