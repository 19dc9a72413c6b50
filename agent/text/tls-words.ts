// Says in plain words why a TLS connection failed, and what to do about it. Pure.
import { plainLine } from "./untrusted.ts";

const trust = "in a file that NODE_EXTRA_CA_CERTS names when the agent starts";

/** Codes of Node and texts of OpenSSL, the narrower first: some callers keep only the text. */
const causes: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/CERT_HAS_EXPIRED|certificate has expired/, "its TLS certificate has expired: it must be renewed there"],
  [
    /CERT_NOT_YET_VALID|certificate is not yet valid/,
    "its TLS certificate is not valid yet: is a clock wrong, there or here?",
  ],
  [/CERT_REVOKED|certificate revoked/, "its TLS certificate was revoked: it must be renewed there"],
  [
    /SELF_SIGNED_CERT_IN_CHAIN|self.signed certificate in certificate chain/,
    `its TLS certificate is by an authority that is not known here: put the authority's own ${trust}`,
  ],
  [
    /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|verify the first certificate|get (local )?issuer cert/,
    `its TLS certificate is by an authority that is not known here: put the authority's own ${trust}`,
  ],
  [
    /DEPTH_ZERO_SELF_SIGNED_CERT|self.signed certificate/,
    `its TLS certificate is signed by itself: put it ${trust}, if it is to be trusted`,
  ],
  [
    /wrong version number|packet length too long|http request|unknown protocol|record layer failure/,
    "what answers there does not speak TLS: look at the scheme and the port of the address",
  ],
  [
    /unsupported protocol|protocol version|handshake failure|no shared cipher|insufficient security|key too small/,
    "it offers no TLS that is safe enough: it must be brought up to date there",
  ],
  [
    /before secure TLS connection was established/,
    "it closed the connection during the TLS handshake: does it speak TLS at that port?",
  ],
];

/** Returns why TLS failed, on one line; null for an error that is none of TLS. */
export function tlsTrouble(code: string, message: string): string | null {
  if (/ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames/.test(`${code} ${message}`)) {
    const names = plainLine(/cert's (?:altnames|list): (.*)$/s.exec(message)?.[1] ?? "", 100);
    const held = names === "" ? "" : ` (${names})`;
    return `its TLS certificate is for another host${held}: call it by a name that its certificate holds`;
  }
  const known = causes.find(([pattern]) => pattern.test(code) || pattern.test(message));
  if (known !== undefined) return known[1];
  const detail = /:SSL routines:[^:]*:([^:\n]{1,100})/.exec(message)?.[1];
  if (detail === undefined && code !== "EPROTO" && !code.startsWith("ERR_SSL_")) return null;
  return `the TLS handshake failed${detail === undefined ? "" : ` (${plainLine(detail)})`}`;
}

/** Texts of git's own TLS, which may be GnuTLS or OpenSSL. */
const causesOfGit: readonly (readonly [pattern: RegExp, words: string])[] = [
  [
    /certificate has expired|expiration date has passed/,
    "the repository's TLS certificate has expired: it must be renewed there",
  ],
  [
    /not yet valid|activation date has not/,
    "the repository's TLS certificate is not valid yet: is a clock wrong, there or here?",
  ],
  [
    /certificate subject name|does not match (target )?host/,
    "the repository's TLS certificate is for another host: name it in --git-url as its certificate does",
  ],
  [
    /self.signed certificate|get (local )?issuer certificate|verify the first certificate/,
    "the repository's TLS certificate is by an authority that git does not know: name a file with the authority's " +
      "own in GIT_SSL_CAINFO",
  ],
  [
    /certificate verif|SSL certificate problem|server cert/,
    "git does not trust the repository's TLS certificate: it has expired, or is for another host, or is by an " +
      "authority that git does not know (then name a file with the authority's own in GIT_SSL_CAINFO)",
  ],
  [
    /wrong version number|unexpected TLS packet|unexpected packet|packet length too long|record layer failure/,
    "what answers there does not speak TLS: look at the scheme and the port of --git-url",
  ],
];

/** Returns why git's TLS failed; null where its message tells of nothing like it. */
export function gitTlsTrouble(message: string): string | null {
  return causesOfGit.find(([pattern]) => pattern.test(message))?.[1] ?? null;
}
