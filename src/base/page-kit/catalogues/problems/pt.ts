// The problems that people meet on pages, in Portuguese.
import type { PageProblems } from '../catalogue.ts';

export const problems: PageProblems = {
  invalid_credentials: {
    title: 'E-mail ou senha errados',
    detail: 'O e-mail e a senha não correspondem. Verifique os dois.',
  },
  reauthentication_required: {
    title: 'Prove de novo quem é',
    detail: 'Digite a sua senha atual para mostrar que é você.',
  },
  wrong_password: { title: 'Senha incorreta', detail: 'Esta não é a sua senha atual. Confira.' },
  password_not_set: {
    title: 'Você não tem senha',
    detail: 'Crie uma com um link por e-mail: siga o link para uma senha esquecida.',
  },
  password_unchanged: { title: 'A mesma senha', detail: 'Esta é a sua senha atual. Escolha outra.' },
  email_unchanged: { title: 'O mesmo e-mail', detail: 'Este já é o seu e-mail. Digite outro.' },
  email_disputed: {
    title: 'E-mail não permitido',
    detail: 'Uma alteração para este e-mail foi desfeita pelo dono da conta. Digite outro.',
  },
  password_changed: {
    title: 'A senha foi alterada enquanto isso',
    detail: 'A senha foi alterada há um momento, por isso nada foi feito agora. Tente com a nova.',
  },
  account_disabled: {
    title: 'Conta desativada',
    detail: 'Esta conta está desativada. Fale com o operador deste serviço.',
  },
  validation_failed: { title: 'Verifique o formulário', detail: 'Alguns campos precisam da sua atenção.' },
  email_taken: {
    title: 'E-mail já usado',
    detail:
      'Uma conta tem este e-mail ou ainda pode recuperá-lo. Entre com ela, abra o link da mensagem sobre a alteração ou use outro e-mail.',
  },
  slug_taken: { title: 'Nome já usado', detail: 'Já existe uma organização com este nome. Escolha outro.' },
  registration_closed: {
    title: 'O registro está fechado',
    detail: 'Aqui uma nova conta precisa de um convite. Peça um ao seu administrador.',
  },
  too_many_requests: { title: 'Tentativas demais', detail: 'Espere um momento e tente novamente.' },
  cross_site_request: {
    title: 'Não veio deste site',
    detail: 'O formulário foi enviado de outro site, e nada foi alterado. Abra a página aqui e tente novamente.',
  },
  form_expired: {
    title: 'O formulário expirou',
    detail: 'O formulário pertence a outra sessão ou navegador, e nada foi alterado. Abra a página novamente.',
  },
  not_found: { title: 'Página não encontrada', detail: 'Esta página não existe. Verifique o endereço.' },
  method_not_allowed: { title: 'Não é possível aqui', detail: 'Este endereço não aceita o que foi enviado.' },
  permission_denied: { title: 'Não permitido', detail: 'Você não tem a permissão para esta página.' },
  organization_access_denied: {
    title: 'Sem acesso à organização',
    detail: 'Você não é um membro ativo desta organização.',
  },
  organization_suspended: {
    title: 'Organização suspensa',
    detail:
      'Esta organização está suspensa. Fale com o proprietário ou, se você é o proprietário, com o operador deste serviço.',
  },
  last_owner: {
    title: 'Você é o último proprietário',
    detail: 'Antes torne outro membro proprietário. Uma organização precisa de pelo menos um.',
  },
  last_administrator: {
    title: 'Você é o último administrador',
    detail: 'Ninguém mais administra este serviço. Peça antes ao operador que nomeie outra pessoa.',
  },
  invalid_or_expired_token: {
    title: 'Link ou código inválido',
    detail: 'Ele foi usado, expirou ou foi substituído por um e-mail mais novo. Peça um novo e-mail.',
  },
  email_change_for_another: {
    title: 'Link de outra conta',
    detail: 'Saia, entre com a conta que pediu a alteração e abra o link outra vez. Ele ainda funciona.',
  },
  verification_for_another: {
    title: 'Link de outra conta',
    detail: 'Saia, ou entre com a conta desse e-mail. O link ainda funciona.',
  },
  invitation_invalid: { title: 'Convite inválido', detail: 'Este convite não pode mais ser usado. Peça um novo.' },
  invitation_for_another: {
    title: 'Convite para outro e-mail',
    detail: 'Entre com o e-mail para o qual o convite foi enviado.',
  },
  already_member: { title: 'Já é membro', detail: 'Você já é membro desta organização.' },
  team_member_limit: {
    title: 'Sem lugar',
    detail: 'A organização não pode ter mais membros no momento. Fale com quem convidou você.',
  },
  session_revoked: { title: 'Sessão encerrada', detail: 'A sua sessão foi encerrada. Entre novamente.' },
  service_busy: {
    title: 'O serviço está ocupado',
    detail: 'Muitas pessoas estão usando o serviço agora. Tente novamente em instantes.',
  },
  database_unavailable: {
    title: 'O serviço não está disponível',
    detail: 'O serviço não consegue acessar os seus dados agora. Tente novamente em breve.',
  },
  database_not_writable: {
    title: 'Sem alterações no momento',
    detail: 'O serviço pode mostrar dados, mas não consegue salvar alterações. Tente novamente em breve.',
  },
  other: { title: 'Não funcionou', detail: 'O serviço não aceitou o pedido. Volte e tente novamente.' },
  failure: {
    title: 'O serviço falhou',
    detail: 'Tente novamente em instantes. Se falhar outra vez, informe o número do pedido.',
  },
};
