// Self-signed certificates for tests, made on the spot.
#pragma once

#include <string>

namespace wicket {

struct TestCertificate {
    std::string certificate_file;
    std::string key_file;
};

/// Writes FOLDER/HOST.cert.pem and FOLDER/HOST.key.pem: P-256, common name `host`. Throws on failure.
TestCertificate make_test_certificate(const std::string& folder, const std::string& host);

/// A new folder under the system's one for temporary files, removed with all that is in it.
class TestFolder {
public:
    TestFolder();
    ~TestFolder();
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace wicket
