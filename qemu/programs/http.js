// SPDX-License-Identifier: GPL-2.0
//
// As http.go, with Node's own http: a server that gives back what is posted, and a client
// that compares every byte of it.
//
//   node http.js server ADDRESS PORT
//   node http.js client ADDRESS PORT CONNECTIONS REQUESTS BYTES

'use strict';

const crypto = require('node:crypto');
const http = require('node:http');

async function all(stream) {
    const parts = [];
    for await (const part of stream) {
        parts.push(part);
    }
    return Buffer.concat(parts);
}

function serve(host, port) {
    const server = http.createServer(async (request, answer) => {
        const body = await all(request);
        answer.setHeader('Content-Length', body.length);
        answer.end(body);
    });
    server.listen(port, host);
}

function post(options, sent) {
    return new Promise((resolve, reject) => {
        const request = http.request({ ...options, method: 'POST' }, (answer) => {
            all(answer).then((got) => {
                if (answer.statusCode !== 200 || !got.equals(sent)) {
                    reject(new Error(`${answer.statusCode}, and ${got.length} bytes that are not the ${sent.length} sent`));
                }
                resolve();
            }, reject);
        });
        request.on('error', reject);
        request.end(sent);
    });
}

async function one(host, port, requests, size) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < requests; i++) {
        await post({ host, port, agent }, crypto.randomBytes(size));
    }
    agent.destroy();
}

async function main(verb, host, port, ...numbers) {
    if (verb === 'server') {
        return serve(host, Number(port));
    }
    const [connections, requests, size] = numbers.map(Number);
    await Promise.all(Array.from({ length: connections }, () => one(host, port, requests, size)));
    console.log(`${connections} times ${requests} times ${size} bytes came back`);
}

main(...process.argv.slice(2)).catch((error) => {
    console.error(String(error));
    process.exit(1);
});
