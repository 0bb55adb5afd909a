// The wire shape of proving again who one is.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';

export const Reauthenticate = z.strictObject({ password: Secret }).meta({ id: 'Reauthenticate' });
