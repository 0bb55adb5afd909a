// The settings for new organizations and their roles.
import { z } from 'zod';
import { wholeNumber } from '../fields.ts';

export const ORGANIZATIONS = {
  ROLE_PRESET: z.string().default('crm').meta({
    description:
      'The system roles of a new database: crm, workspace, callcenter, agents, or the path of a YAML file. A database that already has roles keeps them.',
  }),
  TRIAL_DAYS: wholeNumber(0, 365)
    .default(14)
    .meta({ description: 'The length of the trial of a new organization, in days.' }),
  TRIAL_TEAM_MEMBERS: wholeNumber(1, 1_000_000)
    .default(2)
    .meta({ description: 'The maximum number of team members during the trial.' }),
  TRIAL_MESSAGES: wholeNumber(0, 1_000_000_000)
    .default(100)
    .meta({ description: 'The maximum number of messages during the trial.' }),
  TRIAL_PHONE_NUMBERS: wholeNumber(0, 1_000_000)
    .default(1)
    .meta({ description: 'The maximum number of phone numbers during the trial.' }),
  ORGANIZATIONS_PER_USER_MAX: wholeNumber(1, 1_000_000).default(20).meta({
    description: 'How many organizations a user may own. At this number the user cannot create another one.',
  }),
} as const;
