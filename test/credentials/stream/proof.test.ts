// A read of the stream can prove that no entry was missed, or that an entry was missed.
import t from 'tap';
import { type Entry, prove } from '../../../src/credentials/stream/reader.ts';

const none: Entry[] = [];
const entries = (...ids: string[]): Entry[] => ids.map((id) => [id, []]);
const full = entries(...Array.from({ length: 50 }, (_, index) => `9-${index}`));
const place = { id: '5-0', added: 10 };

t.test('the reading is whole when every entry that was ever added has been read', async (t) => {
  t.equal(prove(place, none, place), 'whole', 'nothing new');
  t.equal(prove({ id: '0-0', added: 0 }, none, { id: '0-0', added: 0 }), 'whole', 'there is no stream yet');
  t.equal(prove({ id: '0-0', added: 0 }, entries('1-0'), { id: '1-0', added: 1 }), 'whole', 'the first one');
  t.equal(prove(place, entries('6-0', '7-0'), { id: '7-0', added: 12 }), 'whole', 'all entries arrived');
  t.equal(prove(place, entries('6-0', '7-0'), { id: '6-0', added: 11 }), 'whole', 'more arrived after the query');
  t.equal(prove(place, entries('6-0'), place), 'whole', 'all arrived after the query');
});

t.test('the reading is broken when entries are missing, or when another stream has replaced the stream', async (t) => {
  t.equal(prove(place, none, { id: '0-0', added: 0 }), 'broken', 'the stream does not exist any more');
  t.equal(prove(place, none, { id: '3-0', added: 1 }), 'broken', 'a new stream has a lower id');
  t.equal(prove(place, none, { id: '3-0', added: 10 }), 'broken', 'a new stream has as many entries');
  t.equal(prove(place, none, { id: '5-0', added: 1 }), 'broken', 'a new stream has the same id');
  t.equal(prove(place, entries('6-0'), { id: '6-0', added: 1 }), 'broken', 'a new stream with a higher id');
  t.equal(prove(place, entries('8-0'), { id: '8-0', added: 13 }), 'broken', 'some were deleted before they were read');
  t.equal(prove(place, none, { id: '8-0', added: 13 }), 'broken', 'all were deleted');
  t.equal(prove(place, entries('6-0'), { id: '4-0', added: 9 }), 'broken', 'another server lacks some of them');
});

t.test('the reading is open while the stream has more entries than one read returns', async (t) => {
  t.equal(prove(place, full, { id: '9-99', added: 110 }), 'open');
  t.equal(prove(place, full, { id: '9-49', added: 60 }), 'whole');
  t.equal(prove(place, full, { id: '9-49', added: 61 }), 'broken');
});
