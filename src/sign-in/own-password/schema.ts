// The wire shape of changing one's own password.
import { z } from 'zod';
import { Secret } from '../../base/http/wire.ts';

export const ChangePassword = z
  .strictObject({ currentPassword: Secret, newPassword: Secret })
  .meta({ id: 'ChangePassword' });
