// Certificates of an authority of our own, good and bad ones, by openssl.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./tmp.ts";

export interface Certificate {
  key: Buffer;
  cert: Buffer;
}

export type Fault = "right" | "expired" | "not-yet-valid" | "wrong-host" | "self-signed";

/** An authority and what it issues for localhost, 127.0.0.1 and 0.0.0.0; `own`: its own certificate. */
export function authority(): { own: Buffer; issue: (fault: Fault) => Certificate } {
  const home = temporaryFolder();
  const at = (name: string) => join(home, name);
  const openssl = (...args: string[]) => void execFileSync("openssl", args, { cwd: home, stdio: "pipe" });
  const newKey = ["-newkey", "rsa:2048", "-nodes"];
  mkdirSync(at("issued"));
  writeFileSync(at("index"), "");
  writeFileSync(at("serial"), "01\n");
  writeFileSync(
    at("ca.cnf"),
    [
      ...["[ca]", "default_ca = own", "[own]", "database = index", "serial = serial", "new_certs_dir = issued"],
      ...["certificate = ca.pem", "private_key = ca.key", "default_md = sha256", "policy = any", "unique_subject = no"],
      ...["copy_extensions = copy", "[any]", "commonName = supplied"],
    ].join("\n"),
  );
  const subject = ["-subj", "/CN=own authority"];
  openssl("req", "-x509", ...newKey, "-days", "9000", ...subject, "-keyout", "ca.key", "-out", "ca.pem");
  let count = 0;
  return {
    own: readFileSync(at("ca.pem")),
    issue(fault) {
      const name = `leaf-${count++}`;
      const [key, request, cert] = [`${name}.key`, `${name}.csr`, `${name}.pem`];
      const names = fault === "wrong-host" ? "DNS:elsewhere.example" : "DNS:localhost,IP:127.0.0.1,IP:0.0.0.0";
      const asked = [...newKey, "-subj", "/CN=localhost", "-addext", `subjectAltName=${names}`, "-keyout", key];
      if (fault === "self-signed") openssl("req", "-x509", ...asked, "-days", "9000", "-out", cert);
      else {
        openssl("req", "-new", ...asked, "-out", request);
        const [from, to] = { expired: ["2019", "2020"], "not-yet-valid": ["2090", "2095"] }[fault as string] ?? [
          "2020",
          "2095",
        ];
        const dates = ["-startdate", `${from}0101000000Z`, "-enddate", `${to}0101000000Z`];
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", ...dates, "-in", request, "-out", cert);
      }
      return { key: readFileSync(at(key)), cert: readFileSync(at(cert)) };
    },
  };
}
