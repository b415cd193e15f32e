// Reads every table of both databases and every body, and says what is wrong with it. Long; other threads may
// go on meanwhile.
#pragma once

#include "store/blob_files.hpp"
#include "store/database.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace wicket {

/// As MailStore::verify.
Result<std::uint64_t> verify_store(
    Database& database,
    Database& refusals,
    BlobFiles& blobs,
    const std::function<void(const std::string&)>& report
);

}  // namespace wicket
