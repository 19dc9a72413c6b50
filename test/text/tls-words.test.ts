// Words for failures of TLS, by the codes of Node and the texts of OpenSSL and GnuTLS.
import { expect, test } from "vitest";
import { gitTlsTrouble, tlsTrouble } from "../../agent/text/tls-words.ts";

test.each<[code: string, message: string, want: RegExp | null]>([
  ["CERT_HAS_EXPIRED", "certificate has expired", /has expired: it must be renewed/],
  ["ESOCKET", "certificate has expired", /has expired/],
  ["CERT_NOT_YET_VALID", "certificate is not yet valid", /clock/],
  ["SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain", /authority that is not known/],
  ["ETLS", "self signed certificate", /signed by itself/],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate", /authority that is not known/],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: DNS:b\u001b]0;x\u0007",
    /for another host \(DNS:b\): /,
  ],
  ["", "Hostname/IP does not match certificate's altnames: IP: 1.2.3.4 is not in the cert's list: ", /another host: /],
  [
    "EPROTO",
    "write EPROTO 80:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../x.c:354:",
    /not speak/,
  ],
  [
    "EPROTO",
    "80:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../x.c:1605:",
    /safe enough/,
  ],
  [
    "EPROTO",
    "80:error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:../x.c:1:",
    /failed \(unexpected eof/,
  ],
  ["ERR_SSL_SOMETHING", "odd", /^the TLS handshake failed$/],
  [
    "ECONNRESET",
    "Client network socket disconnected before secure TLS connection was established",
    /closed the connection/,
  ],
  ["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1", null],
  ["", "no answer within 10 s", null],
])("%s %s", (code, message, want) => {
  const words = tlsTrouble(code, message);
  if (want === null) expect(words).toBeNull();
  else expect(words).toMatch(want);
});

test.each<[message: string, want: RegExp | null]>([
  [
    "fatal: unable to access 'https://a/': server certificate verification failed. CAfile: none CRLfile: none",
    /does not trust/,
  ],
  ["fatal: unable to access 'https://a/': SSL certificate problem: certificate has expired", /has expired: /],
  ["fatal: unable to access 'https://a/': SSL certificate problem: self-signed certificate", /GIT_SSL_CAINFO/],
  ["SSL: no alternative certificate subject name matches target host name 'a'", /for another host/],
  ["SSL: certificate subject name (b) does not match target host name 'a'", /for another host/],
  ["gnutls_handshake() failed: An unexpected TLS packet was received.", /does not speak TLS/],
  ["fatal: repository 'https://a/' not found", null],
])("git: %s", (message, want) => {
  const words = gitTlsTrouble(message);
  if (want === null) expect(words).toBeNull();
  else expect(words).toMatch(want);
});
