// RuleArchive on the mail database, whose committer writes. nullptr in place of it: for reading only.
#pragma once

#include "store/committer.hpp"
#include "store/rule_archive.hpp"

namespace wicket {

class RocksRuleArchive : public RuleArchive {
public:
    RocksRuleArchive(Database& database, Committer* committer, const Clock& clock)
        : database_(database), committer_(committer), clock_(clock) {}
    Result<> keep(std::string_view hash, std::string octets) override;
    Result<std::string> find(std::string_view hash) override;

private:
    Database& database_;
    Committer* committer_;
    const Clock& clock_;
};

}  // namespace wicket
