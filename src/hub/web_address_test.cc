// SPDX-License-Identifier: Apache-2.0
#include "hub/web_address.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(WebAddress, Origins) {
  EXPECT_EQ(url_origin("https://Hub.co:443/a?b"), "https://hub.co");
  EXPECT_EQ(url_origin("HTTP://hub.co:8080"), "http://hub.co:8080");
  EXPECT_EQ(url_origin("http://[::1]:80/a"), "http://[::1]");
  EXPECT_EQ(url_origin("https://hub.co@evil.com/x"), "https://evil.com");
  EXPECT_NE(url_origin("https://hub.co"), url_origin("http://hub.co"));
  EXPECT_NE(url_origin("https://hub.co"), url_origin("https://hub.co.evil.com"));
  EXPECT_EQ(url_origin("/path"), "");
  EXPECT_EQ(url_origin("ftp://hub.co/x"), "");
}

// The host is the one that libcurl connects to, which does not end it at a backslash.
TEST(WebAddress, TricksBeforeTheHost) {
  EXPECT_EQ(url_origin("https://hub.co\\@evil.com/x"), "https://evil.com");
  EXPECT_EQ(url_origin("https://evil.com\\@hub.co/x"), "https://hub.co");
  EXPECT_EQ(url_origin("https://hub.co:443@evil.com/x"), "https://evil.com");
  for (const char* url : {"https://evil.com@evil.com@hub.co/", "https://hub.co\\.evil.com/",
                          "https://hub.co@evil.com@hub.co/", "https:// hub.co/"}) {
    EXPECT_EQ(url_origin(url), "") << url;
  }
}

TEST(WebAddress, Redirects) {
  const std::string base = "https://hub.co/a/b?c";
  EXPECT_EQ(resolve_url(base, "https://cdn.co/x"), "https://cdn.co/x");
  EXPECT_EQ(resolve_url(base, "//cdn.co/x"), "https://cdn.co/x");
  EXPECT_EQ(resolve_url(base, "/x:y"), "https://hub.co/x:y");
  EXPECT_EQ(resolve_url(base, "x"), "https://hub.co/a/x");
  EXPECT_EQ(resolve_url("https://hub.co", "x"), "https://hub.co/x");
  EXPECT_EQ(resolve_url(base, "https://cdn.co/x?sig=a%2Fb%3D&n=a b"),
            "https://cdn.co/x?sig=a%2Fb%3D&n=a+b");
  EXPECT_EQ(resolve_url(base, "ftp://cdn.co/x"), "");
  EXPECT_EQ(resolve_url(base, "file:///etc/passwd"), "");
}

TEST(WebAddress, PercentEncoding) {
  EXPECT_EQ(percent_encode("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(percent_encode("a b/\xc3\xa9?#%", true), "a%20b/%C3%A9%3F%23%25");
}

}  // namespace
}  // namespace rotor
