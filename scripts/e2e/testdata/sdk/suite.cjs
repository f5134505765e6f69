// What the scripts of all SDKs share. A script gives its cases; each runs
// against the three routes, and prints one JSON line:
// {"sdk", "provider", "name", "error": … or null, "attempts": calls that the provider
// must have seen, "cancelled": that the provider must have seen the end}.
//
// The provider behind the routes is scripts/fakeprovider: what a text makes it
// do stands in its package dialogue.
'use strict';
const { createRequire } = require('node:module');
const assert = require('node:assert/strict');

exports.load = createRequire(process.env.SDK_DIR + '/');
exports.assert = assert;
exports.gateway = process.env.GATEWAY;
exports.key = process.env.API_KEY;
exports.badKey = exports.key.slice(0, -1) + (exports.key.endsWith('x') ? 'y' : 'x');
exports.providers = ['chat', 'messages', 'gemini'];

// A PNG of one pixel.
exports.png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const pngSize = Buffer.from(exports.png, 'base64').length;
exports.place = 'Zürich "HB" \\ 1';

exports.schemas = {
  weather: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  clock: { type: 'object', properties: { zone: { type: 'string', enum: ['CET', 'UTC'] } }, required: ['zone'], additionalProperties: false },
  convert: { type: 'object', properties: { value: { type: 'number' }, whole: { type: 'boolean' } }, required: ['value'], additionalProperties: false },
};
exports.answerSchema = {
  type: 'object',
  properties: { city: { type: 'string' }, count: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
  required: ['city', 'count', 'tags'], additionalProperties: false,
};

exports.asks = {
  tool: 'Please use the tool weather.',
  parallel: 'Please use the tools weather and clock.',
  loop: 'Please use the tools weather, clock and convert one after another.',
  usage: 'fake:in=100,out=9,cached=30,reasoning=4',
  slow: 'fake:size=4000,events=400,gap=20ms',
  limit: 'fake:status=429',
  refuse: 'fake:status=400',
  broken: 'fake:size=400,events=20,mode=eventerror',
};

// work is what the tools do.
exports.work = (name, args) => {
  switch (name) {
    case 'weather':
      assert.deepEqual(args, { city: exports.place });
      return { celsius: 12 };
    case 'clock':
      assert.deepEqual(args, { zone: 'CET' });
      return { time: '12:00' };
    case 'convert':
      assert.equal(args.value, 1.5);
      return { value: 3 };
  }
  assert.fail(`there is no tool ${name}`);
};

// looped finds each result beside the name of its tool; some SDKs wrap results
// in an object.
exports.looped = (text) => {
  for (const part of [/weather=[^=]*{"celsius":12}/, /clock=[^=]*{"time":"12:00"}/, /convert=[^=]*{"value":3}/]) assert.match(text, part);
};

exports.reported = (text, ...lines) => {
  for (const line of lines) assert.ok(text.includes(line), `${JSON.stringify(line)} is not in ${JSON.stringify(text)}`);
};
exports.seen = `media: image/png ${pngSize}`;

exports.answered = (value) => assert.deepEqual(value, { city: exports.place, count: 12, tags: [exports.place] });

exports.run = async (sdk, cases) => {
  for (const provider of exports.providers) {
    for (const [name, run] of Object.entries(cases)) {
      const mark = `[${sdk}/${provider}/${name}]`;
      const line = { sdk, provider, name, error: null };
      try {
        Object.assign(line, await run({ model: provider, mark, say: (text) => `${text} ${mark}` }));
      } catch (e) {
        line.error = String((e && e.stack) || e).slice(0, 2000);
      }
      console.log(JSON.stringify(line));
    }
  }
};

// main runs a script to its end, whatever the SDK keeps open.
exports.main = (...all) => {
  // Without it node ends in silence when a case waits for what never comes.
  process.exitCode = 1;
  (async () => {
    for (const [sdk, cases] of all) await exports.run(sdk, cases);
    process.exit(0);
  })();
};
