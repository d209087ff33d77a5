// An OpenID provider to try the example with, and to test it with. Everything is in memory, and
// any name signs in with any password. Not for anything else.
//
//     npm install --prefix target/oidc-provider oidc-provider@8
//     node examples/oidc/provider.mjs [PORT [URL-OF-THE-APP]]
//
// It says on its first line where it listens. With port 0 it takes one that is free.

import { fstatSync } from 'node:fs';
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [port = '4000', app = 'http://localhost:3000'] = process.argv.slice(2);

// Where npm has put it, which is not where Node.js would look.
const folder = process.env.CURFEW_TEST_OIDC_PROVIDER ?? 'target/oidc-provider';
const file = resolve(folder, 'node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(file));

// It warns that this is not for production: of its keys, of its users, of all being in memory.
console.warn = () => {};

const server = createServer();
await new Promise((listening) => server.listen(Number(port), '127.0.0.1', listening));
// The test reaches it by its address, people by its name.
const host = port === '0' ? '127.0.0.1' : 'localhost';
const issuer = `http://${host}:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'app',
    client_secret: 'only for a try',
    redirect_uris: [`${app}/callback`],
    backchannel_logout_uri: `${app}/backchannel-logout`,
    backchannel_logout_session_required: true, // puts `sid` into the tokens
  }],
  features: { backchannelLogout: { enabled: true } },
  pkce: { required: () => true },
  // From version 9 on it refuses to call addresses of this machine otherwise.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
});
provider.on('server_error', (_, error) => console.error(error));
provider.on('backchannel.error', (_, error) => console.error(error));
server.on('request', provider.callback());
console.log(issuer);

// It goes with the test that started it, however that ends.
if (fstatSync(0).isFIFO()) process.stdin.resume().on('end', () => process.exit());
