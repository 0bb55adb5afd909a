-- Finds the events in which a person acted, in their order.
CREATE INDEX events_actor_id_idx ON events (actor_id, at, id) WHERE actor_id IS NOT NULL;
